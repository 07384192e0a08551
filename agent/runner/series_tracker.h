#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Ends the series that a source no longer yields, as a Prometheus scrape does: with a staleness marker.
/// One tracker for each source. Not synchronised.
class SeriesTracker {
  public:
    /// `current` is all that the source yields: appends a staleness marker at `at` for each series that an
    /// earlier call knew and that is not in this one.
    void finish(std::vector<TimeSeries>& current, TimestampMs at);
    /// `current` is the part of what the source yields that every partial run looks at: appends a marker only
    /// for what the last partial run had and this one has not. The rest is not at hand, not gone.
    void finishPart(std::vector<TimeSeries>& current, TimestampMs at);

  private:
    /// The series that are there, each with the last partial run that had it (0: none).
    std::unordered_map<Labels, std::uint64_t, LabelsHash> known_;
    std::uint64_t part_run_ = 1;
};

}  // namespace lapwing::agent
