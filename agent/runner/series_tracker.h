#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Ends the series that a source no longer yields, with a staleness marker, as a Prometheus scrape does. One
/// tracker for each source. Not synchronised.
class SeriesTracker {
  public:
    /// `current` has all series of the source. Appends a staleness marker at `at` for each series of earlier
    /// calls that is missing now.
    void finish(std::vector<TimeSeries>& current, TimestampMs at);
    /// `current` has the part of the series that every partial run yields. Appends a marker only for series
    /// of the last partial run that are missing now. The other series are not at hand, not gone.
    void finishPart(std::vector<TimeSeries>& current, TimestampMs at);

  private:
    /// The present series, each with the last partial run that had it (0: none).
    std::unordered_map<Labels, std::uint64_t, LabelsHash> known_;
    std::uint64_t part_run_ = 1;
};

}  // namespace lapwing::agent
