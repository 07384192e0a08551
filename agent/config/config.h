#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/attempts/attempts.h"
#include "agent/probes/kind.h"
#include "common/http/client.h"

namespace lapwing::config {
class Node;
class Reader;
}  // namespace lapwing::config

namespace lapwing::agent {

inline constexpr const char* kDefaultConfig = "/etc/lapwing/agent.yaml";

/// The agent's configuration file, with its defaults.
struct AgentConfig {
    std::string file;
    std::string host;  ///< default: the machine's host name
    std::string machine_id = "/etc/machine-id";
    std::string data = "/var/lib/lapwing-agent";
    std::string status_socket = "/run/lapwing/agent.sock";
    std::string snapshot = "/run/lapwing/snapshot.json";
    std::string collector_url;  ///< "": no collector, samples wait in the spool
    http::ClientTls tls;
    std::vector<Peer> peers;
    PeerDiscovery discovery;  ///< `peers: auto` and peers_within
    bool canary = true;
    bool attempts = true;
    std::int64_t spool_bytes = 1'000'000'000;
    std::int64_t spool_age_ms = 7LL * 86'400'000;
};

/// A kind of probe, whether the configuration and this host switch it on, and why.
struct ProbeChoice {
    std::string name;
    std::string summary;
    bool on = false;
    std::string why;
};

struct LoadedConfig {
    AgentConfig agent;
    std::vector<ProbeChoice> choices;
    std::vector<ProbeSpec> specs;
};

/// Reads the file with those beside it (Reader::fileAndDirectory) and reports each problem to the reader.
/// Opens the files that the configuration names, and uses no network.
LoadedConfig loadConfig(config::Reader& reader, const std::string& path, const std::vector<ProbeKind>& kinds);
/// Like loadConfig(), for a text in memory.
LoadedConfig parseConfig(config::Reader& reader, const std::string& yaml, const std::string& name,
                         const std::vector<ProbeKind>& kinds);

/// The probes of one kind with their defaults, even if the kind is off or undetected: for a run by hand.
std::vector<ProbeSpec> defaultProbes(config::Reader& reader, const AgentConfig& agent, const ProbeKind& kind);

}  // namespace lapwing::agent
