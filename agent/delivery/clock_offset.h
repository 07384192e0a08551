#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/mutex.h"

namespace lapwing::agent {

/// The collector's clock minus this host's, from exchanges of times as in NTP (RFC 5905, section 8): sent at
/// t0, received there at t1, answered at t2, received here at t3. The offset is ((t1-t0)+(t2-t3))/2, and the
/// truth is within half the round trip of it. Of the last eight exchanges the one with the shortest round
/// trip counts (NTP's clock filter); when this host's clock or the collector's is set, the earlier ones are
/// forgotten. Safe from any thread.
class ClockOffset {
  public:
    struct Estimate {
        double offset_seconds = 0;
        double error_seconds = 0;  ///< half the round trip, the greatest error
    };
    /// Wall-clock microseconds; `steady` is the moment of t3. Implausible times are ignored.
    void add(std::int64_t t0, std::int64_t t1, std::int64_t t2, std::int64_t t3,
             std::chrono::steady_clock::time_point steady);
    std::optional<Estimate> estimate() const;

  private:
    mutable Mutex mutex_;
    std::array<Estimate, 8> window_ LAPWING_GUARDED_BY(mutex_){};
    std::size_t filled_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::size_t next_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::optional<std::int64_t> wall_minus_steady_ LAPWING_GUARDED_BY(mutex_);
};

struct CollectorTimes {
    std::int64_t received = 0;
    std::int64_t sent = 0;
};
/// The header X-Lapwing-Time: "RECEIVED SENT" in microseconds since 1970.
std::optional<CollectorTimes> parseLapwingTime(std::string_view header);

}  // namespace lapwing::agent
