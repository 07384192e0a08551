#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis::evidence {

/// How a position that only grows moved over time, by the collector's clock: of a binary log, a GTID
/// sequence, a counter. What lies between two observations is unknown; of a time without change the first
/// and the last observation are kept. Not synchronised.
class Track {
  public:
    struct Point {
        TimestampMs at = 0;
        std::int64_t value = 0;
    };

    /// A smaller value than the last is a new beginning (a log that was reset, another source): what was
    /// before is forgotten. An earlier time than the last means that the clock was corrected since: the
    /// points after it go.
    void add(TimestampMs at, std::int64_t value);
    /// Points from before `oldest` go; of those from before `recent` one in ten seconds stays.
    void thin(TimestampMs oldest, TimestampMs recent);

    bool empty() const { return points_.empty(); }
    /// Needs a point.
    const Point& last() const { return points_.back(); }
    const Point& first() const { return points_.front(); }
    const std::vector<Point>& points() const { return points_; }

    /// What was last seen at that time; nothing if nothing was seen yet.
    std::optional<std::int64_t> valueAt(TimestampMs at) const;
    /// When the present value was first seen. If it has not changed as far as this goes back, the first
    /// observation.
    std::optional<TimestampMs> standingSince() const;

  private:
    std::vector<Point> points_;
};

}  // namespace lapwing::analysis::evidence
