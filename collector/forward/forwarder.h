#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <memory>
#include <vector>

#include "collector/forward/config.h"
#include "collector/storage/arrival_log.h"

namespace lapwing::forward {

/// Forwards to every destination, each with a thread and a cursor of its own: one that hangs delays no other,
/// and nobody who writes. addMetrics() is safe from any thread; one thread makes, starts and stops it.
class Forwarder {
  public:
    /// Destinations that are not configured any more lose their cursors. `log` must outlive the forwarder.
    Forwarder(std::vector<Destination> destinations, storage::ArrivalLog& log);
    ~Forwarder();
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;

    void start();
    /// No further request begins. Returns at once.
    void askToStop();
    /// Waits for the answer to a request that is under way, which has a deadline of ten seconds.
    void stop();

    /// Adds the metrics of forwarding (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    class Lane;
    const std::vector<Destination> destinations_;
    std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace lapwing::forward
