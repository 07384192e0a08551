#pragma once

#include <algorithm>
#include <cstdint>

#include "common/model/sample.h"

namespace lapwing::storage {

/// The times of the oldest and the newest sample of a series. Without a sample: oldest > newest.
struct TimeRange {
    TimestampMs oldest = INT64_MAX;
    TimestampMs newest = INT64_MIN;

    bool empty() const { return oldest > newest; }
    bool overlaps(TimestampMs from, TimestampMs to) const { return oldest <= to && newest >= from; }
    void widen(TimestampMs first, TimestampMs last) {
        oldest = std::min(oldest, first);
        newest = std::max(newest, last);
    }
};

}  // namespace lapwing::storage
