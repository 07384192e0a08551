#include "agent/runner/series_tracker.h"

namespace lapwing::agent {

void SeriesTracker::finish(std::vector<TimeSeries>& current, TimestampMs at) {
    std::unordered_set<Labels, LabelsHash> present;
    present.reserve(current.size());
    for (const auto& series : current) {
        const auto before = previous_.find(series.labels);
        // The node is moved, not copied: most series are the same from run to run.
        if (before != previous_.end()) {
            present.insert(previous_.extract(before));
        } else {
            present.insert(series.labels);
        }
    }
    for (const auto& gone : previous_) current.push_back({gone, {{at, staleNaN()}}});
    previous_ = std::move(present);
}

void SeriesTracker::keep(const std::vector<TimeSeries>& current) {
    for (const auto& series : current) previous_.insert(series.labels);
}

}  // namespace lapwing::agent
