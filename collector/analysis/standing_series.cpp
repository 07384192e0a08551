#include "collector/analysis/standing_series.h"

#include <utility>

namespace lapwing::analysis {

Expected<void> StandingSeries::write(storage::Store& store, std::vector<TimeSeries> samples,
                                     TimestampMs now) {
    std::set<Labels> written;
    for (const auto& series : samples) {
        written.insert(series.labels);
    }
    for (const auto& labels : standing_) {
        if (!written.contains(labels)) {
            samples.push_back({labels, {{now, staleNaN()}}});
        }
    }
    if (!samples.empty()) {
        if (auto stored = store.appendOwn(samples); !stored) {
            return tl::unexpected(stored.error());
        }
    }
    standing_ = std::move(written);
    return {};
}

}  // namespace lapwing::analysis
