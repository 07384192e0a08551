#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "collector/rules/manager.h"
#include "common/config/reader.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing {

inline constexpr TimestampMs kStart = 1'700'000'000'000;

inline TimestampMs at(std::int64_t seconds) {
    return kStart + seconds * 1000;
}

/// A collector's store, engine and rules, which can be restarted.
class RulesSetup {
  public:
    using Annotate = std::function<Labels(const Labels& labels, const Labels& annotations)>;

    explicit RulesSetup(const std::string& yaml, Annotate annotate = {}) : annotate_(std::move(annotate)) {
        file_ = folder.write("rules.yml", yaml);
        open();
    }

    void open() {
        store = openStore(folder.path("db"));
        engine = std::make_unique<promql::Engine>(*store, promql::EngineOptions{});
        rules::ManagerOptions options;
        options.annotate = annotate_;
        options.external_url = "http://mon:9765";
        manager = std::make_unique<rules::RuleManager>(*engine, *store, &notifier, options);
        REQUIRE(manager->loadFiles({file_}).empty());
    }
    void restart() {
        manager.reset();
        engine.reset();
        store.reset();
        notifier.take();
        open();
    }
    void rewrite(const std::string& yaml) {
        folder.write("rules.yml", yaml);
        REQUIRE(manager->loadFiles({file_}).empty());
    }

    const rules::RuleStatus rule(std::size_t index = 0) const {
        return manager->groups().at(0).rules.at(index);
    }
    std::vector<rules::AlertStatus> alerts(std::size_t index = 0) const { return rule(index).alerts; }

    /// The result of an instant query, as "LABELS=VALUE" in order.
    std::vector<std::string> query(const std::string& text, TimestampMs time) const {
        const auto result = engine->instant(text, time);
        REQUIRE(result.has_value());
        std::vector<std::string> out;
        for (const auto& element : std::get<promql::Vector>(result->value)) {
            out.push_back(element.labels.toString() + "=" +
                          std::to_string(static_cast<long long>(element.sample.value)));
        }
        std::sort(out.begin(), out.end());
        return out;
    }

    test::TemporaryFolder folder;
    std::unique_ptr<storage::Store> store;
    std::unique_ptr<promql::Engine> engine;
    RecordingNotifier notifier;
    std::unique_ptr<rules::RuleManager> manager;

  private:
    Annotate annotate_;
    std::string file_;
};

}  // namespace lapwing
