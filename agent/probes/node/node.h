#pragma once

#include <chrono>
#include <set>
#include <string>

#include "agent/probes/node/files.h"
#include "agent/probes/node/steady_counters.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::node {

/// Reads the host's state from /proc and /sys, and the sizes of its local file systems. Parts that this
/// kernel lacks are left out; an unreadable part has node_scrape_collector_success 0. Without /proc/stat
/// there is no result. Parts that take long to read or change seldom are read every minute; the other runs
/// are partial.
class NodeProbe : public Probe {
  public:
    using Clock = std::chrono::steady_clock;

    explicit NodeProbe(Roots roots);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Files files_;
    SteadyCounters counters_;
    Clock::time_point next_whole_{};
    Clock::time_point next_sensors_{};
    std::set<std::string> slow_notes_;  ///< of the last whole run
};

}  // namespace lapwing::agent::node
