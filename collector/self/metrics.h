#pragma once

#include <prometheus/metric_family.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/site.h"
#include "collector/self/agent_book.h"
#include "collector/storage/store.h"
#include "common/error.h"
#include "common/model/remote_write.h"
#include "common/mutex.h"

namespace lapwing::self {

struct MetricsOptions {
    std::string instance;   ///< the host that the collector runs on
    std::string data_file;  ///< its file system is watched
    std::vector<analysis::Site::Pair> replication;
    storage::SeriesLimits limits;  ///< shown beside the series
    /// Gets the metadata of the stored metrics each time; may be empty.
    std::function<void(const std::vector<MetricMetadata>&)> describe;
};

/// The collector's own metrics (docs/metrics.md): /metrics shows them, and the store gets the same families
/// every five seconds. Thread-safe.
class Metrics {
  public:
    Metrics(storage::Store& store, AgentBook& agents, MetricsOptions options)
        : store_(store), agents_(agents), options_(std::move(options)) {}

    /// Counts an answer of that listener.
    void answered(const std::string& listener, int status);
    void refused(std::size_t samples) { refused_ += samples; }

    /// Adds a source of further metrics, asked at each collect(). Call it before the first collect().
    using Source = std::function<void(std::vector<prometheus::MetricFamily>&)>;
    void addSource(Source source) { sources_.push_back(std::move(source)); }

    std::vector<prometheus::MetricFamily> collect(TimestampMs now);
    /// Stores the metrics once, with the labels job and instance; a series that disappeared ends with a
    /// staleness marker.
    Expected<void> storeSamples(TimestampMs now);

  private:
    storage::Store& store_;
    AgentBook& agents_;
    MetricsOptions options_;
    std::vector<Source> sources_;
    std::atomic<std::uint64_t> refused_{0};
    Mutex mutex_;
    std::map<std::pair<std::string, int>, std::uint64_t> answers_ LAPWING_GUARDED_BY(mutex_);
    std::vector<Labels> stored_series_;  // used by storeSamples() alone, which has one caller
};

}  // namespace lapwing::self
