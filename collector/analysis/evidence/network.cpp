#include "collector/analysis/evidence/network.h"

#include <algorithm>
#include <utility>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

reach::Family familyOf(const Observation& observation) {
    return reach::parseFamily(observation.labels->get("family")).value_or(reach::Family::ipv4);
}

bool isContainer(const std::string& process) {
    return process == "docker-proxy" || process == "conmon" || process == "rootlessport" ||
           process == "systemd";
}

class NetworkReader {
  public:
    explicit NetworkReader(Reader& reader) : reader_(reader) { out_.now = reader.now(); }

    Expected<Network> run() {
        agents();
        addresses();
        listeners();
        firewall();
        boot();
        out_.balancers = readLoadBalancers(reader_);
        databases();
        attempts();
        out_.comparison = compareObservers(reader_);
        missingListeners();
        if (!reader_.failure().message.empty()) {
            return tl::unexpected(reader_.failure());
        }
        out_.indexAddresses();
        return std::move(out_);
    }

  private:
    Host& host(const std::string& name) {
        auto& found = out_.hosts[name];
        found.name = name;
        return found;
    }

    void agents() {
        for (const auto& info : reader_.known(metric::kAgentInfo)) {
            auto& known = host(info.instance());
            known.agent_known = true;
            known.agent_present = known.agent_present || reader_.isFresh(info);
        }
    }

    void addresses() {
        for (const auto& info : reader_.known(metric::kAgentAddressInfo)) {
            const auto text = info.get("address");
            const auto address = reach::Address::parse(text.substr(0, text.find('%')));
            if (!address) {
                continue;
            }
            auto& holder = host(info.instance());
            holder.last_addresses.push_back({*address, info.get("interface")});
            if (reader_.isFresh(info)) {
                holder.addresses.push_back(holder.last_addresses.back());
            }
        }
    }

    void listeners() {
        for (const auto& up : reader_.fresh(exporter::kUp, {{"job", "sockets"}})) {
            host(up.instance()).listeners_known = up.isOn();
        }
        for (const auto& info : reader_.fresh(metric::kListenerInfo)) {
            Listener listener;
            listener.protocol = valueOf(kTransportNames, info.get("protocol")).value_or(Transport::unknown);
            listener.family = familyOf(info);
            listener.address = info.get("address");
            listener.port = info.number("port");
            listener.process = info.get("process");
            listener.unit = info.get("unit");
            host(info.instance()).listeners.push_back(std::move(listener));
        }
    }

    void firewall() {
        for (const auto& up : reader_.fresh(exporter::kUp, {{"job", "firewall"}})) {
            host(up.instance()).firewall_up = up.isOn();
        }
        for (const auto& failure : reader_.fresh(metric::kProbeFailure, {{"job", "firewall"}})) {
            host(failure.instance()).firewall_failure = failure.get("reason");
        }
        for (const auto& ssh : reader_.fresh(metric::kSshPasswordAuthentication)) {
            host(ssh.instance()).ssh_takes_passwords = ssh.isOn();
        }
        for (const auto& info : reader_.fresh(metric::kRulesetInfo)) {
            host(info.instance()).digest = info.get("digest");
        }
        for (const auto& verdict : reader_.fresh(metric::kFirewallDefaultDeny)) {
            host(verdict.instance()).denies[familyOf(verdict)] = verdict.isOn();
        }
        for (const auto& info : reader_.fresh(metric::kFirewallUnknownInfo)) {
            host(info.instance()).unknowns.push_back(info.get("reason"));
        }
    }

    void boot() {
        for (const auto& info : reader_.fresh(metric::kBootRulesetInfo)) {
            auto& rules = host(info.instance()).boot;
            rules.digest = info.get("digest");
            rules.sources = info.get("source");
        }
        for (const auto& info : reader_.fresh(metric::kBootRulesetUnknownInfo)) {
            host(info.instance()).boot.unknown = info.get("reason");
        }
        for (const auto& info : reader_.fresh(metric::kBootRulesetFaultInfo)) {
            host(info.instance()).boot.faults.push_back(info.get("reason"));
        }
        for (const auto& info : reader_.fresh(metric::kBootRulesetMakerInfo)) {
            host(info.instance()).boot.makers.push_back(info.get("unit"));
        }
    }

    /// Attempts make no host: its own agent does, or an observer of a server there.
    bool exists(const std::string& name) const {
        return out_.hosts.contains(name) || out_.balancers.contains(name) || out_.databases.contains(name);
    }

    void attempts() {
        auto read = readAttempts(reader_);
        for (auto& [name, attempts] : read.attempts) {
            if (exists(name)) {
                host(name).attempts = std::move(attempts);
            }
        }
        for (auto& [name, canaries] : read.canaries) {
            if (exists(name)) {
                host(name).canaries = std::move(canaries);
            }
        }
        for (auto& [name, ports] : read.control_ports) {
            if (exists(name)) {
                host(name).control_ports = std::move(ports);
            }
        }
    }

    void databases() {
        for (const auto& up : reader_.fresh(exporter::kMysqlUp)) {
            out_.databases.insert(up.instance());
        }
        std::set<std::pair<std::string, std::string>> seen;
        for (const auto* metric :
             {exporter::kMysqlSlaveStatusSlaveIoRunning, exporter::kMysqlSlaveStatusSlaveSqlRunning}) {
            for (const auto& thread : reader_.fresh(metric)) {
                if (seen.emplace(thread.instance(), thread.get("master_host")).second) {
                    out_.replicas.push_back({thread.instance(), thread.get("master_host")});
                }
            }
        }
    }

    /// Other agents say that a server works on a host whose own agent sees no listener of it. Containers hide
    /// the programs behind their listeners.
    void missingListeners() {
        for (const auto& up : reader_.fresh(exporter::kUp)) {
            const auto name = up.instance();
            const auto program = valueOf(kProgramNames, up.labels->get("job"));
            const auto found = out_.hosts.find(name);
            if (up.observer.empty() || up.observer == name || !up.isOn() || !program ||
                found == out_.hosts.end() || !found->second.listeners_known) {
                continue;
            }
            const auto& listeners = found->second.listeners;
            const bool possible = std::any_of(listeners.begin(), listeners.end(), [&](const auto& each) {
                return each.program() == *program || each.process.empty() || isContainer(each.process);
            });
            if (!possible) {
                const auto job = up.get("job");
                out_.comparison.compared.emplace(name, job);
                out_.comparison.contradictions.push_back(
                    {name, job, job + " listens there", false, {{up.observer, 1}, {name, 0}}});
            }
        }
    }

    Reader& reader_;
    Network out_;
};

struct KnownProcess {
    const char* process;
    int port;
    Program program;
};

constexpr KnownProcess kProcesses[] = {
    {"mariadbd", 3306, Program::mysql}, {"mysqld", 3306, Program::mysql},       {"sshd", 22, Program::ssh},
    {"nginx", 0, Program::nginx},       {"haproxy", 0, Program::haproxy},       {"gunicorn", 0, Program::app},
    {"apache2", 0, Program::apache},    {"redis-server", 6379, Program::redis},
};

struct KnownUnit {
    const char* unit;  ///< without ".service" and instance
    Program program;
};

/// As Debian, and the servers' own packages, name them.
constexpr KnownUnit kUnits[] = {
    {"mariadb", Program::mysql},   {"mysql", Program::mysql},
    {"mysqld", Program::mysql},    {"ssh", Program::ssh},
    {"sshd", Program::ssh},        {"nginx", Program::nginx},
    {"haproxy", Program::haproxy}, {"apache2", Program::apache},
    {"httpd", Program::apache},    {"redis-server", Program::redis},
    {"redis", Program::redis},
};

/// systemd opens the sockets of .socket units itself; an agent that does not know the service says so.
constexpr const char* kSystemd = "systemd";

/// "mariadb" for "mariadb@shop.service"
std::string kindOf(const std::string& unit) {
    return unit.substr(0, std::min(unit.find('@'), unit.rfind(".service")));
}

}  // namespace

bool isApplication(const std::string& process) {
    static const std::set<std::string> known{"gunicorn", "uwsgi", "uvicorn", "puma",   "php-fpm",
                                             "node",     "java",  "python3", "daphne", "unicorn"};
    return known.contains(process) || process.starts_with("php-fpm") || process.starts_with("uwsgi_");
}

bool isLoadBalancer(const std::string& process) {
    return process == "haproxy" || process == "envoy" || process == "traefik" || process == "pen";
}

Program Listener::program() const {
    for (const auto& known : kProcesses) {
        if (process == known.process) {
            return known.program;
        }
    }
    for (const auto& known : kUnits) {
        if (kindOf(unit) == known.unit) {
            return known.program;
        }
    }
    const bool unknown = unit.empty() && (process.empty() || process == kSystemd);
    for (const auto& known : kProcesses) {
        if (unknown && known.port == port && known.port != 0 && isTcp()) {
            return known.program;
        }
    }
    return Program::other;
}

std::string Listener::service() const {
    if (const auto known = program(); known != Program::other) {
        return nameOf(kProgramNames, known);
    }
    if (!unit.empty()) {
        const auto name = unit.substr(0, unit.rfind(".service"));
        return name.substr(0, name.find_last_not_of('@') + 1);
    }
    return process.empty() || process == kSystemd ? transportName(protocol) + ("/" + std::to_string(port))
                                                  : process;
}

bool Host::hasFamily(reach::Family family) const {
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const auto& held) { return held.address.family == family; });
}

bool Host::isPublic(reach::Family family) const {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& held) {
        return held.address.family == family && !held.address.isPrivate();
    });
}

void Network::indexAddresses() {
    index = AddressIndex(*this);
}

const Host* Network::holder(const reach::Address& address) const {
    const auto* name = index.holder(address);
    const auto found = name == nullptr ? hosts.end() : hosts.find(*name);
    return found == hosts.end() ? nullptr : &found->second;
}

Expected<Network> readNetwork(Reader& reader) {
    return NetworkReader(reader).run();
}

}  // namespace lapwing::analysis::evidence
