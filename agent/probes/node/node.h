#pragma once

#include <string>

#include "agent/probes/node/steady_counters.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::node {

/// Reads the host's state from /proc and /sys, and the sizes of its local file systems. Parts that this
/// kernel lacks are left out; an unreadable part has node_scrape_collector_success 0. Without /proc/stat
/// there is no result.
class NodeProbe : public Probe {
  public:
    /// The mount points of procfs and sysfs.
    NodeProbe(std::string proc, std::string sys);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    struct Run;
    std::string proc_;
    std::string sys_;
    std::string buffer_;  ///< of the file being read, kept from run to run
    std::string path_;
    SteadyCounters counters_;
};

}  // namespace lapwing::agent::node
