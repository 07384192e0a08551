#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/runner/sink.h"

namespace lapwing::test {

/// Records the data of a sink, with the time at which it came.
class RecordingSink {
  public:
    using Clock = std::chrono::steady_clock;
    struct Arrival {
        Clock::time_point when;
        std::vector<TimeSeries> series;
        /// The first sample of the first series of that name; NaN without such a series.
        double value(std::string_view name) const;
        /// That series' labels.
        Labels labels(std::string_view name) const;
        bool has(std::string_view name) const { return !labels(name).empty(); }
    };

    agent::Sink sink() {
        return [this](std::vector<TimeSeries> series) {
            const std::lock_guard lock(mutex_);
            arrivals_.push_back({Clock::now(), std::move(series)});
        };
    }
    std::vector<Arrival> all() const {
        const std::lock_guard lock(mutex_);
        return arrivals_;
    }
    /// The records whose `up` has that job.
    std::vector<Arrival> of(std::string_view job) const {
        std::vector<Arrival> found;
        for (auto& arrival : all()) {
            if (arrival.labels("up").get("job") == job) {
                found.push_back(arrival);
            }
        }
        return found;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<Arrival> arrivals_;
};

inline double RecordingSink::Arrival::value(std::string_view name) const {
    for (const auto& each : series) {
        if (each.labels.metricName() == name) {
            return each.samples.at(0).value;
        }
    }
    return std::nan("");
}

inline Labels RecordingSink::Arrival::labels(std::string_view name) const {
    for (const auto& each : series) {
        if (each.labels.metricName() == name) {
            return each.labels;
        }
    }
    return {};
}

/// True as soon as `condition` holds, false if it does not within `limit`.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace lapwing::test
