#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/model/remote_write.h"
#include "common/mutex.h"

namespace lapwing::agent {

/// The types and helps of the probes' metrics, for the collector. Not spooled: probes state them again after
/// a restart. Every connection gets all of them once, and new ones as they come. Safe from any thread.
class Descriptions {
  public:
    /// A server may invent names without end. Further metrics are sent without type and help.
    static constexpr std::size_t kMost = 10'000;

    /// True if some of them are new.
    bool add(const std::vector<prometheus::MetricFamily>& families);

    /// The descriptions that the present connection has not had.
    std::vector<MetricMetadata> unsent() const;
    void sent(const std::vector<MetricMetadata>& these);
    /// Begins a new connection: its collector may know none of them yet.
    void begin();

  private:
    struct Entry {
        prometheus::MetricType type;
        const std::string* help;
        bool sent = false;
    };
    mutable Mutex mutex_;
    std::set<std::string> helps_ LAPWING_GUARDED_BY(mutex_);         ///< many families share one
    std::map<std::string, Entry> known_ LAPWING_GUARDED_BY(mutex_);  ///< by the family's name
};

}  // namespace lapwing::agent
