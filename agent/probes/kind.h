#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probes/probe.h"
#include "common/model/labels.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::agent {

class SnapshotFile;

/// One probe to run: its target, its interval, and the probe itself.
struct ProbeSpec {
    std::string kind;      ///< the probe's name, its folder; readers of the configuration set it
    std::string job;       ///< the label: the probe's name, or the name of a target of `scrape`
    std::string instance;  ///< the observed host's name
    Labels labels;         ///< further labels of every sample, `up` included (url, via)
    std::chrono::milliseconds interval{10'000};
    std::chrono::milliseconds deadline{4'000};
    /// The delay after each multiple of the interval; nothing: spread by job (runner/schedule.h).
    std::optional<std::chrono::milliseconds> offset;
    std::unique_ptr<Probe> probe;
};

/// The surroundings of a probe.
struct ProbeContext {
    std::string host;            ///< the agent's own host name: the default instance
    std::string proc = "/proc";  ///< root of procfs, elsewhere in tests
    std::string sys = "/sys";
    std::shared_ptr<SnapshotFile> snapshot;  ///< one for all probes; absent only in tests
    std::vector<std::string> peers;          ///< addresses of the peers that the configuration names
};

/// A kind of probe: one line of the list in probes.cpp.
struct ProbeKind {
    std::string name;
    std::string summary;  ///< one line for `list-probes`
    /// Reads `probes.NAME` of the configuration and appends the probes to run. An absent node means detect
    /// (without guessing a password), `off` means no probe, `on` means the defaults even if nothing is
    /// detected. Problems of the configuration are reported to the node. Returns one line for the log: why
    /// the probe is on or off.
    std::string (*configure)(const config::Node& node, const ProbeContext& context,
                             std::vector<ProbeSpec>& out);
};

/// Every kind, in the order of the list for people.
std::vector<ProbeKind> probeKinds();

ProbeKind nodeProbe();
ProbeKind nginxProbe();
ProbeKind appProbe();
ProbeKind haproxyProbe();
ProbeKind mysqlProbe();
ProbeKind socketsProbe();
ProbeKind firewallProbe();
ProbeKind keepalivedProbe();
ProbeKind inventoryProbe();
ProbeKind logsProbe();
ProbeKind unitsProbe();
ProbeKind textfileProbe();
ProbeKind scrapeProbe();
ProbeKind execProbe();

}  // namespace lapwing::agent
