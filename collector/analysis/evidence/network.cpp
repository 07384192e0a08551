#include "collector/analysis/evidence/network.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>

#include "collector/analysis/evidence/reader.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::int64_t kKnownMs = 3'600'000;
constexpr double kMsPerSecond = 1000;

class Gatherer {
  public:
    Gatherer(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms)
        : samples_(store, now, lookback_ms), lookback_ms_(lookback_ms) {
        network_.now = now;
    }

    Expected<Network> run() {
        agents();
        addresses();
        listeners();
        firewall();
        boot();
        attempts();
        canaries();
        balancers();
        databases();
        if (!samples_.failure().message.empty()) {
            return tl::unexpected(samples_.failure());
        }
        return std::move(network_);
    }

  private:
    std::vector<Observation> latest(const char* metric, const Reader::Equals& equals = {},
                                    std::int64_t lookback_ms = 0) {
        return samples_.of(metric, equals, lookback_ms);
    }

    Host& host(const std::string& name) {
        auto& found = network_.hosts[name];
        found.name = name;
        return found;
    }

    void agents() {
        for (const auto& one : latest(metric::kAgentInfo, {}, kKnownMs)) {
            auto& known = host(one.get("instance"));
            known.agent_known = true;
            known.agent_present = known.agent_present || one.sample.timestamp >= network_.now - lookback_ms_;
        }
    }

    void addresses() {
        for (const auto& one : latest(metric::kAgentAddressInfo)) {
            const auto text = one.get("address");
            if (const auto address = reach::Address::parse(text.substr(0, text.find('%')))) {
                host(one.get("instance")).addresses.push_back({*address, one.get("interface")});
            }
        }
    }

    void listeners() {
        for (const auto& one : latest(exporter::kUp, {{"job", "sockets"}})) {
            host(one.get("instance")).listeners_known = one.sample.value == 1;
        }
        for (const auto& one : latest(metric::kListenerInfo)) {
            Listener listener;
            listener.protocol = one.get("protocol");
            listener.family = one.get("family") == "ipv6" ? reach::Family::ipv6 : reach::Family::ipv4;
            listener.address = one.get("address");
            listener.port = one.number("port");
            listener.process = one.get("process");
            host(one.get("instance")).listeners.push_back(std::move(listener));
        }
    }

    static reach::Family familyOf(const Observation& one) {
        return one.get("family") == "ipv6" ? reach::Family::ipv6 : reach::Family::ipv4;
    }

    void firewall() {
        for (const auto& one : latest(exporter::kUp, {{"job", "firewall"}})) {
            host(one.get("instance")).firewall_up = one.sample.value == 1;
        }
        for (const auto& one : latest(metric::kProbeFailure, {{"job", "firewall"}})) {
            host(one.get("instance")).firewall_failure = one.get("reason");
        }
        for (const auto& one : latest(metric::kSshPasswordAuthentication)) {
            host(one.get("instance")).ssh_takes_passwords = one.sample.value == 1;
        }
        for (const auto& one : latest(metric::kRulesetInfo)) {
            host(one.get("instance")).digest = one.get("digest");
        }
        for (const auto& one : latest(metric::kFirewallDefaultDeny)) {
            host(one.get("instance")).denies[familyOf(one)] = one.sample.value == 1;
        }
        for (const auto& one : latest(metric::kFirewallUnknownInfo)) {
            host(one.get("instance")).unknowns.push_back(one.get("reason"));
        }
        for (const auto& one :
             latest(metric::kFirewallPortVerdict, {{"protocol", "tcp"}, {"source", "any"}})) {
            host(one.get("instance")).stranger_verdicts[{familyOf(one), one.number("port")}] =
                one.get("verdict");
        }
    }

    void boot() {
        for (const auto& one : latest(metric::kBootRulesetInfo)) {
            auto& found = host(one.get("instance")).boot;
            found.digest = one.get("digest");
            found.sources = one.get("source");
        }
        for (const auto& one : latest(metric::kBootRulesetUnknownInfo)) {
            host(one.get("instance")).boot.unknown = one.get("reason");
        }
        for (const auto& one : latest(metric::kBootRulesetFaultInfo)) {
            host(one.get("instance")).boot.faults.push_back(one.get("reason"));
        }
        for (const auto& one : latest(metric::kBootRulesetMakerInfo)) {
            host(one.get("instance")).boot.makers.push_back(one.get("unit"));
        }
    }

    /// An agent, a peer and a family. What answers over IPv4 says nothing of silence over IPv6.
    using Path = std::tuple<std::string, std::string, bool>;

    static Path pathOf(const std::string& agent, const std::string& peer, std::string_view address) {
        return {agent, peer, address.find(':') != std::string_view::npos};
    }

    /// Which agent's controls of which peer answered.
    std::set<Path> controls() {
        std::set<Path> answered;
        for (const auto& one : latest(metric::kAttemptControlOk)) {
            if (one.sample.value == 1) {
                answered.insert(pathOf(one.get("agent"), one.get("instance"), one.get("address")));
            }
            if (one.number("port") != 0) {
                host(one.get("instance")).control_ports.insert(one.number("port"));
            }
        }
        return answered;
    }

    static std::string key(const Observation& one) {
        return one.get("agent") + "|" + one.get("instance") + "|" + one.get("address") + "|" +
               one.get("port") + "|" + one.get("source");
    }

    std::map<std::string, TimestampMs> times(const char* metric) {
        std::map<std::string, TimestampMs> out;
        for (const auto& one : latest(metric)) {
            out[key(one)] = static_cast<TimestampMs>(one.sample.value * kMsPerSecond);
        }
        return out;
    }

    void attempts() {
        controls_ = controls();
        const auto at = times(metric::kAttemptTimestampSeconds);
        std::map<std::string, std::string> greetings;
        for (const auto& one : latest(metric::kAttemptGreetingInfo)) {
            greetings[key(one)] = one.get("greeting");
        }
        for (const auto& one : latest(metric::kAttemptResult)) {
            Attempt attempt;
            attempt.from = one.get("agent");
            attempt.address = one.get("address");
            attempt.port = one.number("port");
            attempt.service = one.get("service");
            attempt.source = one.get("source");
            attempt.second = one.get("source_kind") == "second";
            attempt.result = one.get("result");
            if (const auto found = greetings.find(key(one)); found != greetings.end()) {
                attempt.greeting = found->second;
            }
            const auto when = at.find(key(one));
            attempt.at = when == at.end() ? one.sample.timestamp : when->second;
            attempt.control_ok =
                controls_.contains(pathOf(attempt.from, one.get("instance"), attempt.address));
            host(one.get("instance")).attempts.push_back(std::move(attempt));
        }
    }

    void canaries() {
        const auto at = times(metric::kCanaryTimestampSeconds);
        for (const auto& one : latest(metric::kCanaryResult)) {
            Canary canary;
            canary.from = one.get("agent");
            canary.source = one.get("source");
            canary.second = one.get("source_kind") == "second";
            canary.result = one.get("result");
            const auto when = at.find(key(one));
            canary.at = when == at.end() ? one.sample.timestamp : when->second;
            canary.control_ok = controls_.contains(pathOf(canary.from, one.get("instance"), canary.source));
            host(one.get("instance")).canaries.push_back(std::move(canary));
        }
    }

    void balancers() {
        std::map<std::string, std::map<std::pair<std::string, std::string>, Server>> servers;
        const auto server = [&](const Observation& one) -> Server& {
            auto& balancer = network_.balancers[one.get("instance")];
            balancer.instance = one.get("instance");
            if (const auto agent = one.get("agent"); !agent.empty()) {
                balancer.seen_by.insert(agent);
            }
            auto& found = servers[one.get("instance")][{one.get("proxy"), one.get("server")}];
            found.proxy = one.get("proxy");
            found.server = one.get("server");
            return found;
        };
        // One that is down is still there.
        for (const auto& one : latest(exporter::kUp, {{"job", "haproxy"}}, kKnownMs)) {
            network_.balancers[one.get("instance")].instance = one.get("instance");
        }
        for (const auto& one : latest(exporter::kHaproxyServerStatus)) {
            auto& found = server(one);
            if (one.sample.value == 1) {
                found.state = one.get("state");
            }
        }
        for (const auto& one : latest(metric::kHaproxyServerInfo)) {
            auto& found = server(one);
            if (found.address.empty()) {
                found.address = one.get("address");
            }
        }
        for (auto& [instance, named] : servers) {
            for (auto& [name, one] : named) {
                network_.balancers[instance].servers.push_back(std::move(one));
            }
        }
    }

    void databases() {
        for (const auto& one : latest(exporter::kMysqlUp)) {
            network_.databases.insert(one.get("instance"));
        }
        std::set<std::pair<std::string, std::string>> seen;
        for (const auto* metric :
             {exporter::kMysqlSlaveStatusSlaveIoRunning, exporter::kMysqlSlaveStatusSlaveSqlRunning}) {
            for (const auto& one : latest(metric)) {
                if (seen.emplace(one.get("instance"), one.get("master_host")).second) {
                    network_.replicas.push_back({one.get("instance"), one.get("master_host")});
                }
            }
        }
    }

    Reader samples_;
    std::int64_t lookback_ms_;
    Network network_;
    std::set<Path> controls_;
};

struct KnownService {
    const char* process;
    int port;
    const char* service;
};

constexpr KnownService kServices[] = {
    {"mariadbd", 3306, "mysql"}, {"mysqld", 3306, "mysql"},       {"sshd", 22, "ssh"},
    {"nginx", 0, "nginx"},       {"haproxy", 0, "haproxy"},       {"gunicorn", 0, "app"},
    {"apache2", 0, "apache"},    {"redis-server", 6379, "redis"},
};

}  // namespace

std::string Listener::service() const {
    for (const auto& known : kServices) {
        if (process == known.process) {
            return known.service;
        }
    }
    for (const auto& known : kServices) {
        if (process.empty() && known.port == port && known.port != 0 && protocol == "tcp") {
            return known.service;
        }
    }
    return process.empty() ? protocol + "/" + std::to_string(port) : process;
}

bool Host::hasFamily(reach::Family family) const {
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const auto& one) { return one.address.family == family; });
}

bool Host::isPublic(reach::Family family) const {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& one) {
        return one.address.family == family && !one.address.isPrivate();
    });
}

const Host* Network::holder(const reach::Address& address) const {
    for (const auto& [name, host] : hosts) {
        for (const auto& one : host.addresses) {
            if (one.address == address) {
                return &host;
            }
        }
    }
    return nullptr;
}

Expected<Network> readNetwork(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms) {
    return Gatherer(store, now, lookback_ms).run();
}

}  // namespace lapwing::analysis::evidence
