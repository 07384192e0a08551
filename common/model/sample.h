#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "common/model/labels.h"

namespace lapwing {

/// Milliseconds since 1970-01-01T00:00:00Z, as in Prometheus.
using TimestampMs = std::int64_t;

struct Sample {
    TimestampMs timestamp = 0;
    double value = 0;
};

/// A series and some of its samples, ascending.
struct TimeSeries {
    Labels labels;
    std::vector<Sample> samples;
};

/// Prometheus' staleness marker: the NaN with this bit pattern says that the series ended (remote_write 1.0
/// specification). Only its bits tell it from an ordinary NaN.
inline constexpr std::uint64_t kStaleNaNBits = 0x7ff0000000000002U;
inline double staleNaN() {
    return std::bit_cast<double>(kStaleNaNBits);
}
inline bool isStaleNaN(double value) {
    return std::bit_cast<std::uint64_t>(value) == kStaleNaNBits;
}

/// The program's time: the machine's wall clock, corrected while a ClockCorrection exists (clock.h).
TimestampMs nowMs();

}  // namespace lapwing
