#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/remote_write.h"

namespace lapwing::storage {
class Store;
}

namespace lapwing::ingest {

/// What senders say of their metrics: type, help, unit. Senders that say different things of one metric are
/// all kept, the four newest of them. Bounded in memory; kept across restarts in the store. Thread-safe.
class MetadataBook {
  public:
    explicit MetadataBook(storage::Store& store) : store_(store) {}

    /// Reads what an earlier process saved. A state that cannot be read is an Error and leaves the book
    /// empty.
    Expected<void> load();
    void note(const std::vector<MetricMetadata>& metadata);
    /// Saves what has changed since the last time; does nothing if nothing has.
    Expected<void> save();

    /// By name, the oldest statement first; `metric` picks one name.
    std::map<std::string, std::vector<MetricMetadata>> list(const std::string& metric = "") const;
    /// How much there is, and what there was no room for (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    void noteOne(const MetricMetadata& metadata);

    storage::Store& store_;
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<MetricMetadata>> families_;
    std::size_t bytes_ = 0;
    std::uint64_t dropped_ = 0;
    bool changed_ = false;
};

}  // namespace lapwing::ingest
