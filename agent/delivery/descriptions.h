#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/model/remote_write.h"

namespace lapwing::agent {

/// What the probes say of their metrics (type, help), for the collector. Not spooled: probes say it again
/// after a restart. Every connection gets all of it once, and what is new as it comes. Safe from any thread.
class Descriptions {
  public:
    /// True if there was something new among them.
    bool add(const std::vector<prometheus::MetricFamily>& families);

    /// What the present connection has not had.
    std::vector<MetricMetadata> unsent() const;
    void sent(const std::vector<MetricMetadata>& these);
    /// A new connection: to a collector that may know nothing yet.
    void begin();

  private:
    struct Entry {
        MetricMetadata metadata;
        bool sent = false;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Entry> known_;  ///< by the family's name
};

}  // namespace lapwing::agent
