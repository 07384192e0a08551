#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include "common/model/sample.h"

namespace lapwing::agent {

/// The collector's clock, from this host's and the difference between them. Thread-safe if `offset` is.
class CollectorClock {
  public:
    using Clock = std::chrono::steady_clock;

    /// `offset`: the collector's clock minus this host's, in seconds.
    explicit CollectorClock(std::function<double()> offset) : offset_(std::move(offset)) {}

    /// Microseconds since 1970.
    std::int64_t nowUs() const {
        return nowMs() * kUsPerMs + static_cast<std::int64_t>(offset_() * kUsPerSecond);
    }
    /// The local moment at which the collector's clock shows that time.
    Clock::time_point localTime(std::int64_t collector_us) const {
        return Clock::now() + std::chrono::microseconds(collector_us - nowUs());
    }

  private:
    static constexpr std::int64_t kUsPerMs = 1'000;
    static constexpr double kUsPerSecond = 1e6;
    std::function<double()> offset_;
};

}  // namespace lapwing::agent
