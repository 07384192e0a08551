#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/probes/firewall/verdicts.h"
#include "agent/probes/probe.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent::firewall {

/// The packet filter's decisions about connections from elsewhere, evaluated from the snapshot of its rules.
/// A run without a snapshot younger than a minute fails (`unavailable`), and so does a run whose snapshot
/// could not read the rules (`denied`): the state is then unknown, not open.
class FirewallProbe : public Probe {
  public:
    /// `peers`: the addresses whose connections are evaluated besides a stranger's.
    FirewallProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot,
                  const std::vector<std::string>& peers);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<void> judgeAnew(const std::string& listing, const std::vector<Listener>& listeners,
                             const std::vector<InterfaceAddress>& addresses,
                             const std::vector<PeerSource>& peers);
    std::vector<PeerSource> peerSources(const std::vector<InterfaceAddress>& addresses) const;

    std::string proc_;
    std::shared_ptr<SnapshotFile> snapshot_;
    std::vector<reach::Address> peers_;

    // Inputs and verdicts of the last run: rules change seldom, so they are evaluated again only after a
    // change.
    std::string judged_rules_;  ///< the listing, or the name of the file that it comes from
    reach::Host judged_host_;
    std::vector<std::string> judged_tables_;
    std::vector<Listener> judged_listeners_;
    std::vector<InterfaceAddress> judged_addresses_;
    std::vector<PeerSource> judged_peers_;
    std::string digest_;
    Verdicts verdicts_;
    int runs_ = 0;            ///< with these rules
    std::string boot_rules_;  ///< of the next boot, as `judged_rules_`
    std::string boot_digest_;
};

/// Pure: the metric families of the rules after a reboot; `digest` is of the document with the rules.
std::vector<prometheus::MetricFamily> bootFamilies(const Boot& boot, const std::string& digest);

/// Pure: the metric families of the present rules.
std::vector<prometheus::MetricFamily> firewallFamilies(const std::string& digest, double age_seconds,
                                                       const Verdicts& verdicts);

}  // namespace lapwing::agent::firewall
