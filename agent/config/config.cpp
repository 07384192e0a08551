#include "agent/config/config.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "agent/snapshot/snapshot_file.h"
#include "common/config/reader.h"
#include "common/http/tls.h"
#include "common/tls/identity.h"

namespace lapwing::agent {
namespace {

std::string machineName() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

bool isAddress(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
           inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

void readPath(const config::Node& node, std::string& out) {
    node.read(out);
    if (node.isScalar() && (out.empty() || out[0] != '/')) {
        node.problem(node.path() + " must be an absolute path");
    }
}

// A private key must be readable by its owner alone, or by a group if root gave it to that group.
void checkKey(const config::Node& node, const std::string& path) {
    struct stat status {};
    if (path.empty() || stat(path.c_str(), &status) != 0) {
        return;
    }
    const bool group_by_root = status.st_uid == 0 && (status.st_mode & 0030) == 0;
    if ((status.st_mode & 0007) != 0 || ((status.st_mode & 0070) != 0 && !group_by_root)) {
        node.problem(
            path +
            " holds a private key and others than its owner may read it; chmod 0600, or 0640 root:lapwing");
    }
}

void readCollector(const config::Node& node, AgentConfig& out) {
    node.allow({"url", "ca", "cert", "key", "server_name"});
    node["url"].read(out.collector_url);
    readPath(node["ca"], out.tls.ca_file);
    readPath(node["cert"], out.tls.cert_file);
    readPath(node["key"], out.tls.key_file);
    out.tls.server_name = tls::kCollectorName;
    out.tls.site_ca = true;
    node["server_name"].read(out.tls.server_name);
    if (!node.present()) {
        return;
    }
    if (out.collector_url.compare(0, 8, "https://") != 0) {
        const auto url = node["url"];
        (url.present() ? url : node).problem("collector.url must be https://HOST:PORT");
        return;
    }
    for (const char* key : {"ca", "cert"}) {
        if (!node[key].present()) {
            node.problem(std::string("collector.") + key + " is missing");
        }
    }
    if (!node["ca"].present() || !node["cert"].present()) {
        return;
    }
    checkKey(node["key"].present() ? node["key"] : node["cert"],
             out.tls.key_file.empty() ? out.tls.cert_file : out.tls.key_file);
    const auto client = http::Client::create(out.collector_url, out.tls);
    if (!client) {
        node.problem("collector: " + client.error().message);
    }
}

/// The collector knows an agent by its certificate: under another name the host would be two hosts.
void checkName(const config::Node& root, const AgentConfig& agent) {
    if (agent.tls.cert_file.empty()) {
        return;
    }
    const auto name = http::certificateName(agent.tls.cert_file);
    if (!name || *name == agent.host) {
        return;
    }
    const auto host = root["host"];
    (host.present() ? host : root["collector"]["cert"])
        .problem((host.present() ? "host is \"" : "host is not given and the machine's name is \"") +
                 agent.host + "\", but the certificate " + agent.tls.cert_file + " belongs to \"" + *name +
                 "\": write `host: " + *name + "`, or join as this host (on the collector: " +
                 "lapwing-collector invite " + agent.host + ")");
}

void readPeers(const config::Node& node, AgentConfig& out) {
    node.forEach([&](const config::Node& entry) {
        if (entry.isScalar() && entry.text() == "auto") {
            out.discovery.on = true;
            return;
        }
        entry.allow({"host", "address", "control_port"});
        Peer peer;
        entry["host"].read(peer.host);
        entry["address"].read(peer.address);
        entry["control_port"].read(peer.control_port, 1, 65535);
        if (peer.host.empty()) {
            entry.problem(entry.path() + ".host is missing");
        }
        if (!isAddress(peer.address)) {
            const auto address = entry["address"];
            (address.present() ? address : entry)
                .problem(entry.path() + ".address must be an IPv4 or IPv6 address");
        }
        if (peer.host == out.host) {
            entry.problem(entry.path() + ".host is this host itself");
        }
        out.peers.push_back(std::move(peer));
    });
}

void readPeersWithin(const config::Node& node, PeerDiscovery& out) {
    node.forEach([&](const config::Node& entry) {
        std::string text;
        entry.read(text);
        if (const auto network = reach::AddressRange::parse(text)) {
            out.within.push_back(*network);
        } else if (!text.empty()) {
            entry.problem(entry.path() + " must be a network such as 10.77.0.0/24");
        }
    });
    if (node.present() && !out.on) {
        node.problem("peers_within needs `peers: auto`");
    }
}

void readSpool(const config::Node& node, AgentConfig& out) {
    node.allow({"size", "age"});
    node["size"].readBytes(out.spool_bytes);
    node["age"].readDuration(out.spool_age_ms);
    if (out.spool_bytes < 1'000'000) {
        node["size"].problem("spool.size must be at least 1MB");
    }
    if (out.spool_age_ms < 60'000) {
        node["age"].problem("spool.age must be at least 1m");
    }
}

ProbeContext contextOf(const AgentConfig& agent) {
    ProbeContext context;
    context.host = agent.host;
    context.snapshot = std::make_shared<SnapshotFile>(agent.snapshot, context.proc);
    for (const auto& peer : agent.peers) {
        context.peers.push_back(peer.address);
    }
    return context;
}

/// Whether a job is a probe's, or of Lapwing itself. Rules and findings go by it.
bool isTaken(const std::string& job, const std::vector<std::string>& probes) {
    const auto others = {"agent", "collector", "site"};
    return std::find(probes.begin(), probes.end(), job) != probes.end() ||
           std::find(others.begin(), others.end(), job) != others.end();
}

void readProbes(const config::Node& node, const std::vector<ProbeKind>& kinds, LoadedConfig& out) {
    std::vector<std::string> names;
    names.reserve(kinds.size());
    for (const auto& kind : kinds) {
        names.push_back(kind.name);
    }
    node.allow(names);
    const auto context = contextOf(out.agent);
    std::set<Labels> identities;
    for (const auto& kind : kinds) {
        const std::size_t before = out.specs.size();
        ProbeChoice choice{kind.name, kind.summary, false,
                           kind.configure(node[kind.name], context, out.specs)};
        choice.on = out.specs.size() > before;
        // The line begins with the probe's name ("node: on (every host has it)"), which stands beside it
        // here.
        const std::string prefix = kind.name + ": ";
        if (choice.why.compare(0, prefix.size(), prefix) == 0) {
            choice.why.erase(0, prefix.size());
        }
        for (std::size_t i = before; i < out.specs.size(); ++i) {
            out.specs[i].kind = kind.name;
            const auto& job = out.specs[i].job;
            if (job != kind.name && isTaken(job, names)) {
                node[kind.name].problem(node[kind.name].path() + ": the name \"" + job +
                                        "\" is Lapwing's own; give the target another one");
            }
            Labels identity = out.specs[i].labels;
            identity.set("job", out.specs[i].job);
            identity.set("instance", out.specs[i].instance);
            if (identities.insert(identity).second) {
                continue;
            }
            node[kind.name].problem("two probes would report the same series, " + identity.toString() +
                                    "; give one of them another instance");
        }
        out.choices.push_back(std::move(choice));
    }
}

LoadedConfig read(const config::Node& root, const std::string& name, const std::vector<ProbeKind>& kinds) {
    LoadedConfig out;
    auto& agent = out.agent;
    agent.file = name;
    agent.host = machineName();
    root.allow({"host", "machine_id", "data", "status_socket", "snapshot", "collector", "peers",
                "peers_within", "canary", "attempts", "spool", "probes"});
    root["host"].read(agent.host);
    if (agent.host.empty()) {
        root["host"].problem("host must not be empty");
    }
    readPath(root["machine_id"], agent.machine_id);
    readPath(root["data"], agent.data);
    readPath(root["status_socket"], agent.status_socket);
    readPath(root["snapshot"], agent.snapshot);
    readCollector(root["collector"], agent);
    checkName(root, agent);
    readPeers(root["peers"], agent);
    readPeersWithin(root["peers_within"], agent.discovery);
    root["canary"].read(agent.canary);
    root["attempts"].read(agent.attempts);
    readSpool(root["spool"], agent);
    readProbes(root["probes"], kinds, out);
    return out;
}

}  // namespace

LoadedConfig loadConfig(config::Reader& reader, const std::string& path,
                        const std::vector<ProbeKind>& kinds) {
    return read(reader.fileAndDirectory(path), path, kinds);
}

LoadedConfig parseConfig(config::Reader& reader, const std::string& yaml, const std::string& name,
                         const std::vector<ProbeKind>& kinds) {
    return read(reader.text(yaml, name), name, kinds);
}

std::vector<ProbeSpec> defaultProbes(config::Reader& reader, const AgentConfig& agent,
                                     const ProbeKind& kind) {
    std::vector<ProbeSpec> specs;
    (void)kind.configure(reader.text("on", kind.name), contextOf(agent), specs);
    for (auto& spec : specs) {
        spec.kind = kind.name;
    }
    return specs;
}

}  // namespace lapwing::agent
