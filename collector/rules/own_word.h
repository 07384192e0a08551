#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/mutex.h"

namespace lapwing::rules {

/// The data as rules see them: if the agent on a server's own host reports on it now, the series of other
/// agents that observe the server are left out (common/metric_speakers.h). So no other agent can make an
/// alert about the server fire or end. `up` of the same job shows that the host reports. The series of
/// attempts, of the collector and without the label `agent` are all there. A probe that fails before it can
/// judge the server (`up` 0, no nginx_up, haproxy_up or mysql_up) reports nothing. Thread-safe.
class OwnWordFirst : public storage::Queryable {
  public:
    /// A host reports now if its newest `up` is no older than the lookback. `data` must outlive this.
    OwnWordFirst(const storage::Queryable& data, std::int64_t lookback_ms)
        : data_(data), lookback_ms_(lookback_ms) {}

    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to,
                                                         std::size_t max_samples) const override;
    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>& any, TimestampMs from,
                                         TimestampMs to) const override;
    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override;
    Expected<std::vector<std::string>> labelValues(const std::string& name,
                                                   const std::vector<storage::Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override;

  private:
    using Jobs = std::set<std::pair<std::string, std::string>>;  ///< hosts and their jobs
    Expected<Jobs> ownJobs(TimestampMs at, std::size_t max_samples) const;

    const storage::Queryable& data_;
    const std::int64_t lookback_ms_;
    mutable Mutex mutex_;
    mutable TimestampMs jobs_at_ LAPWING_GUARDED_BY(mutex_) = -1;
    mutable Jobs jobs_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::rules
