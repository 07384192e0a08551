#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/probe.h"
#include "agent/snapshot/keepalived.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent::keepalived {

/// VRRP on this host: the configuration from the snapshot, whether keepalived runs, and which of its
/// addresses are here. A host without keepalived has `up 1` and only the sample `keepalived_up 0`. A run
/// fails without a snapshot younger than two minutes, or where root may not read the configuration: the
/// state is unknown.
class KeepalivedProbe : public Probe {
  public:
    KeepalivedProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string proc_;
    std::shared_ptr<SnapshotFile> snapshot_;
};

/// Whether a text such as /proc/net/raw lists a socket of VRRP's protocol. Pure.
bool hasVrrpSocket(std::string_view proc_net_raw);

/// Pure. `here`: the addresses on the interfaces of this host.
std::vector<prometheus::MetricFamily> keepalivedFamilies(bool runs, const KeepalivedConfig& config,
                                                         const std::set<std::string>& here);

}  // namespace lapwing::agent::keepalived
