#pragma once

#include <string>

#include "agent/probes/probe.h"

namespace lapwing::agent::node {

/// Reads the host's own state from /proc and /sys, and the sizes of its local file systems. What is missing
/// on this kernel is left out; what is there and cannot be read has node_scrape_collector_success 0. Without
/// /proc/stat there is no result.
class NodeProbe : public Probe {
  public:
    /// `proc` and `sys` are where procfs and sysfs are mounted.
    NodeProbe(std::string proc, std::string sys);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    struct Run;
    std::string proc_;
    std::string sys_;
    std::string buffer_;  ///< of the file being read, kept from run to run
    std::string path_;
};

}  // namespace lapwing::agent::node
