#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/remote_write.h"
#include "common/mutex.h"

namespace lapwing::storage {
class Store;
}

namespace lapwing::ingest {

/// The metadata that senders send with their metrics: type, help, unit. If senders disagree about a metric,
/// the four newest statements are kept. Bounded in memory; persisted in the store. Thread-safe.
class MetadataBook {
  public:
    explicit MetadataBook(storage::Store& store) : store_(store) {}

    /// Reads what an earlier process saved. If it cannot be read, that is an Error and the book stays empty.
    Expected<void> load();
    void note(const std::vector<MetricMetadata>& metadata);
    /// Saves the book if it has changed since the last time.
    Expected<void> save();

    /// By name, the oldest statement first; `metric` picks one name.
    std::map<std::string, std::vector<MetricMetadata>> list(const std::string& metric = "") const;
    /// The number of metrics, and of statements dropped for lack of room (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    void noteStatement(const MetricMetadata& metadata) LAPWING_REQUIRES(mutex_);

    storage::Store& store_;
    mutable Mutex mutex_;
    std::map<std::string, std::vector<MetricMetadata>> families_ LAPWING_GUARDED_BY(mutex_);
    std::size_t bytes_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::uint64_t dropped_ LAPWING_GUARDED_BY(mutex_) = 0;
    bool changed_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::ingest
