#pragma once

#include <unordered_set>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Ends the series that a source no longer yields, as a Prometheus scrape does: with a staleness marker.
/// One tracker for each source. Not synchronised.
class SeriesTracker {
  public:
    /// Appends a staleness marker at `at` for each series that was in the previous call's `current` and is
    /// not in this one.
    void finish(std::vector<TimeSeries>& current, TimestampMs at);
    /// `current` is only a part of what the source yields: ends nothing, and remembers these beside the
    /// earlier ones.
    void keep(const std::vector<TimeSeries>& current);

  private:
    std::unordered_set<Labels, LabelsHash> previous_;
};

}  // namespace lapwing::agent
