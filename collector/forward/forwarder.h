#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <memory>
#include <vector>

#include "collector/forward/config.h"
#include "collector/storage/arrival_log.h"

namespace lapwing::forward {

/// Forwards samples to every destination. Each destination has a thread and a cursor of its own, so that a
/// destination that hangs delays neither the others nor any writer. addMetrics() is safe from any thread; one
/// thread creates, starts and stops the forwarder.
class Forwarder {
  public:
    /// Drops the cursors of destinations that are no longer configured. `log` must outlive the forwarder.
    Forwarder(std::vector<Destination> destinations, storage::ArrivalLog& log);
    ~Forwarder();
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;

    void start();
    /// No further request begins. Returns at once.
    void askToStop();
    /// Also waits for the request under way, which ends within ten seconds.
    void stop();

    /// Adds the metrics of forwarding (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    struct Lane;
    const std::vector<Destination> destinations_;
    std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace lapwing::forward
