#include "collector/rules/group_schedule.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "collector/limits/query_limits.h"
#include "collector/rules/manager.h"
#include "common/config/reader.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;

namespace {

/// A store in which reads of the metric `blocked` last until they are cancelled or the store is released.
class BlockingStore : public storage::Queryable {
  public:
    explicit BlockingStore(const storage::Queryable& data) : data_(data) {}

    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to,
                                                         std::size_t max_samples) const override {
        const bool blocks = matchers.back().value() == "blocked";
        reading += blocks ? 1 : 0;
        while (blocks && !released) {
            if (auto go_on = QueryLimits::check(); !go_on) {
                --reading;
                return fail(go_on.error());
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        return data_.select(matchers, from, to, max_samples);
    }
    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>& any, TimestampMs from,
                                         TimestampMs to) const override {
        return data_.series(any, from, to);
    }
    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override {
        return data_.labelNames(any, from, to);
    }
    Expected<std::vector<std::string>> labelValues(const std::string& name,
                                                   const std::vector<storage::Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override {
        return data_.labelValues(name, any, from, to);
    }

    std::atomic<bool> released{false};
    mutable std::atomic<int> reading{0};

  private:
    const storage::Queryable& data_;
};

bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 6000; ++i) {
        if (holds()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

std::string group(const std::string& name, const std::string& expression) {
    return "  - name: " + name + "\n    interval: 1s\n    rules: [ { record: r_" + name +
           ", expr: " + expression + " } ]\n";
}

/// A rule manager whose queries of `blocked` do not end.
struct Rules {
    explicit Rules(const std::string& groups)
        : store(openStore(folder.path("db"))),
          data(*store),
          engine(data, promql::EngineOptions{}),
          manager(engine, *store, nullptr, {}) {
        load(groups);
    }
    void load(const std::string& groups) {
        REQUIRE(manager.loadFiles({folder.write("rules.yml", "groups:\n" + groups)}).empty());
    }
    rules::GroupStatus status(const std::string& name) const {
        for (auto& status : manager.groups()) {
            if (status.name == name) {
                return status;
            }
        }
        return {};
    }
    std::uint64_t evaluations(const std::string& name) const { return status(name).evaluations; }

    test::TemporaryFolder folder;
    std::unique_ptr<storage::Store> store;
    BlockingStore data;
    promql::Engine engine;
    rules::RuleManager manager;
};

}  // namespace

TEST_CASE("slow groups delay only themselves") {
    std::string groups = group("quick", "vector(1)");
    Rules rules(groups);
    rules.manager.start();
    REQUIRE(eventually([&] { return rules.evaluations("quick") >= 1; }));

    constexpr int slow = 2 * static_cast<int>(rules::GroupSchedule::kThreads);
    for (int i = 0; i < slow; ++i) {
        groups += group("slow" + std::to_string(i), "blocked");
    }
    rules.load(groups);
    REQUIRE(eventually([&] { return rules.data.reading == rules::GroupSchedule::kSlowThreads; }));
    const auto before = rules.evaluations("quick");
    CHECK(eventually([&] { return rules.evaluations("quick") >= before + 3; }));
    CHECK(rules.status("quick").missed == 0);
    CHECK(rules.data.reading == rules::GroupSchedule::kSlowThreads);
    for (int i = 0; i < slow; ++i) {
        CHECK(rules.evaluations("slow" + std::to_string(i)) == 0);
    }

    rules.data.released = true;
    for (int i = 0; i < slow; ++i) {
        CHECK(eventually([&] { return rules.evaluations("slow" + std::to_string(i)) >= 1; }));
    }
    rules.manager.stop();
}

TEST_CASE("a reload interrupts a slow evaluation and counts it as missed") {
    Rules rules(group("slow", "blocked"));
    rules.manager.start();
    REQUIRE(eventually([&] { return rules.data.reading == 1; }));
    rules.load(group("slow", "blocked") + group("other", "vector(1)"));
    CHECK(rules.status("slow").missed == 1);
    CHECK(rules.evaluations("slow") == 0);
    CHECK(eventually([&] { return rules.evaluations("other") >= 1 && rules.data.reading == 1; }));
    rules.manager.stop();
    CHECK(rules.data.reading == 0);
    CHECK(rules.evaluations("slow") == 0);
}

TEST_CASE("a stop interrupts a slow template, and a later start evaluates again") {
    Rules rules(
        "  - name: g\n    interval: 1s\n    rules:\n      - alert: A\n        expr: vector(1)\n"
        "        annotations: { text: '{{ with query \"blocked\" }}{{ . }}{{ end }}' }\n");
    rules.manager.start();
    REQUIRE(eventually([&] { return rules.data.reading == 1; }));
    rules.manager.askToStop();
    rules.manager.stop();
    CHECK(rules.data.reading == 0);
    CHECK(rules.evaluations("g") == 0);
    rules.data.released = true;
    rules.manager.start();
    CHECK(eventually([&] { return rules.evaluations("g") >= 1; }));
    rules.manager.stop();
}

TEST_CASE("a template ends at the time limit of a query") {
    test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    promql::EngineOptions options;
    options.timeout_ms = 100;
    const promql::Engine engine(*store, options);
    rules::RuleManager manager(engine, *store, nullptr, {});
    const std::string loops =
        "{{ range $a := $s }}{{ range $b := $s }}{{ range $c := $s }}{{ range $d := $s }}{{ range $e := $s }}"
        "{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}";
    for (int i = 0; i < 100; ++i) {
        put(*store, Labels{{"__name__", "x"}, {"i", std::to_string(i)}}, 1'700'000'000'000, 1);
    }
    const auto load = [&](const std::string& where) {
        const auto file = folder.write(
            "rules.yml",
            "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: vector(1)\n        " + where +
                ": { text: '{{ $s := query \"x\" }}" + loops + "' }\n");
        REQUIRE(manager.loadFiles({file}).empty());
    };
    load("annotations");
    manager.evaluate(1'700'000'000'000);
    auto rule = manager.groups().at(0).rules.at(0);
    REQUIRE(rule.alerts.size() == 1);
    CHECK(rule.alerts[0].annotations.get("text").find("timed out") != std::string_view::npos);
    CHECK(rule.health == rules::Health::ok);

    load("labels");
    manager.evaluate(1'700'000'010'000);
    rule = manager.groups().at(0).rules.at(0);
    CHECK(rule.alerts.empty());
    CHECK(rule.health == rules::Health::err);
}
