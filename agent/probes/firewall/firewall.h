#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/probes/firewall/verdicts.h"
#include "agent/probes/probe.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent::firewall {

/// What the packet filter does with connections from elsewhere, from the snapshot of its rules. A snapshot
/// that is older than a minute is no result (`unavailable`), one that could not be read neither (`denied`):
/// unknown, not open.
class FirewallProbe : public Probe {
  public:
    /// `peers`: addresses whose verdicts are asked for besides a stranger's.
    FirewallProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot,
                  const std::vector<std::string>& peers);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::vector<PeerSource> peerSources(const std::vector<InterfaceAddress>& addresses) const;

    std::string proc_;
    std::shared_ptr<SnapshotFile> snapshot_;
    std::vector<reach::Address> peers_;

    // Of the last run: rules change seldom, so they are seldom judged again.
    std::string judged_text_;
    std::vector<Listener> judged_listeners_;
    std::vector<InterfaceAddress> judged_addresses_;
    std::vector<PeerSource> judged_peers_;
    std::string digest_;
    Verdicts verdicts_;
};

/// Pure: what a reboot would leave, as far as the snapshot tells; `digest` is of the document with the rules.
std::vector<prometheus::MetricFamily> bootFamilies(const Boot& boot, const std::string& digest);

/// Pure: the metric families of what was found.
std::vector<prometheus::MetricFamily> firewallFamilies(const std::string& digest, double age_seconds,
                                                       const Verdicts& verdicts);

}  // namespace lapwing::agent::firewall
