#include "agent/runner/series_tracker.h"

#include <utility>

namespace lapwing::agent {

void SeriesTracker::finish(std::vector<TimeSeries>& current, TimestampMs at) {
    decltype(known_) present;
    present.reserve(current.size());
    for (const auto& series : current) {
        const auto before = known_.find(series.labels);
        // The node is moved, not copied: most series are the same from run to run.
        if (before != known_.end()) {
            present.insert(known_.extract(before));
        } else {
            present.emplace(series.labels, 0);
        }
    }
    for (const auto& [gone, part_run] : known_) {
        current.push_back({gone, {{at, staleNaN()}}});
    }
    known_ = std::move(present);
}

void SeriesTracker::finishPart(std::vector<TimeSeries>& current, TimestampMs at) {
    const auto last = part_run_++;
    for (const auto& series : current) {
        known_[series.labels] = part_run_;
    }
    for (auto it = known_.begin(); it != known_.end();) {
        if (it->second != last) {
            ++it;
            continue;
        }
        current.push_back({it->first, {{at, staleNaN()}}});
        it = known_.erase(it);
    }
}

}  // namespace lapwing::agent
