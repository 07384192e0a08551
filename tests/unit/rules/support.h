#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "collector/notify/notifier.h"
#include "collector/promql/engine.h"
#include "collector/storage/store.h"
#include "tests/unit/catch.h"

namespace lapwing {

inline std::unique_ptr<storage::Store> openStore(const std::string& path) {
    storage::StoreOptions options;
    options.path = path;
    options.retention_ms = 0;
    auto store = storage::Store::open(options);
    REQUIRE(store.has_value());
    return std::move(*store);
}

inline void put(storage::Store& store, const Labels& labels, TimestampMs at, double value) {
    const auto result = store.append({{labels, {{at, value}}}});
    REQUIRE(result.has_value());
    REQUIRE(result->stored == 1);
}

class RecordingNotifier : public notify::Notifier {
  public:
    void send(std::vector<notify::Alert> alerts) override {
        const std::lock_guard lock(mutex_);
        for (auto& alert : alerts) {
            alerts_.push_back(std::move(alert));
        }
    }
    /// The alerts since the last call.
    std::vector<notify::Alert> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(alerts_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<notify::Alert> alerts_;
};

}  // namespace lapwing
