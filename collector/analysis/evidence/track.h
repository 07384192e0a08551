#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis::evidence {

/// A growing position over time, by the collector's clock: in a binary log, of a GTID sequence, of a counter.
/// The position between two observations is unknown. While it does not change, the first and the last
/// observation are kept. Not synchronised.
class Track {
  public:
    struct Point {
        TimestampMs at = 0;
        std::int64_t value = 0;
    };

    /// A smaller value than the last means a reset log or another source: it drops all earlier points. An
    /// earlier time than the last means that the clock was corrected: it drops the points from that time on.
    void add(TimestampMs at, std::int64_t value);
    /// Drops the points from before `oldest`, and keeps one in ten seconds of those from before `recent`. The
    /// last point always stays.
    void thin(TimestampMs oldest, TimestampMs recent);

    bool empty() const { return points_.empty(); }
    /// The track must not be empty.
    const Point& last() const { return points_.back(); }
    /// The track must not be empty.
    const Point& first() const { return points_.front(); }
    const std::vector<Point>& points() const { return points_; }

    /// The last value observed at or before that time; nothing before the first observation.
    std::optional<std::int64_t> valueAt(TimestampMs at) const;
    /// The time of the first observation of the present value; nothing if the track is empty.
    std::optional<TimestampMs> standingSince() const;

  private:
    std::vector<Point> points_;
};

}  // namespace lapwing::analysis::evidence
