#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/redundancy/structure.h"

namespace lapwing::analysis::redundancy {

namespace {

constexpr const char* kSecond = "a second load balancer";

/// The servers of a load balancer by the host that runs them: two addresses on one machine count once.
std::map<std::string, std::set<std::string>> serversByHost(const Facts& facts,
                                                           const LoadBalancerFact& balancer) {
    std::map<std::string, std::set<std::string>> out;
    for (const auto& server : balancer.servers) {
        const auto address = reach::Address::parse(server.address.substr(0, server.address.rfind(':')));
        const auto* holder = address ? facts.holder(*address) : nullptr;
        out[holder != nullptr ? holder->name : server.server].insert(server.proxy + "/" + server.server);
    }
    return out;
}

Gate hostWith(const std::string& program, const std::string& host) {
    return Gate::all({Gate::of(program + "@" + host), Gate::of("the host " + host)});
}

/// What reading through the load balancers needs.
Gate reading(const Facts& facts, const std::vector<const LoadBalancerFact*>& balancers, bool second) {
    std::vector<Gate> ways;
    std::vector<Gate> servers;
    std::set<std::string> hosts;
    for (const auto* balancer : balancers) {
        ways.push_back(hostWith("haproxy", balancer->instance));
        for (const auto& [host, names] : serversByHost(facts, *balancer)) {
            hosts.insert(host);
        }
    }
    if (second) {
        ways.push_back(Gate::of(kSecond));
    }
    servers.reserve(hosts.size());
    for (const auto& host : hosts) {
        servers.push_back(hostWith("the web server", host));
    }
    return Gate::all({Gate::any(std::move(ways)), Gate::any(std::move(servers))});
}

std::set<std::string> primaries(const Context& context) {
    std::set<std::string> out;
    for (const auto& pair : context.site.replication) {
        out.insert(pair.primary);
    }
    for (const auto& replica : context.facts.replicas) {
        const auto address = reach::Address::parse(replica.primary_address);
        if (const auto* holder = address ? context.facts.holder(*address) : nullptr) {
            out.insert(holder->name);
        }
    }
    return out;
}

Gate writing(const Context& context, Gate reads) {
    std::vector<Gate> parts{std::move(reads)};
    for (const auto& primary : primaries(context)) {
        parts.push_back(hostWith("mysql", primary));
    }
    return Gate::all(std::move(parts));
}

Evidence statistics(const Facts& facts, const LoadBalancerFact& balancer) {
    std::map<std::string, std::string> states;
    for (const auto& server : balancer.servers) {
        states[server.proxy + "/" + server.server] = server.state.empty() ? "state unknown" : server.state;
    }
    std::vector<std::string> words;
    words.reserve(states.size());
    for (const auto& [name, state] : states) {
        words.push_back(name);
        words.back().append(" (").append(state).append(")");
    }
    const auto hosts = serversByHost(facts, balancer).size();
    return {"haproxy statistics of " + balancer.instance,
            "it alone spreads requests over " + counted(hosts, "host", "hosts") + ": " + joined(words) +
                "; read by " +
                (balancer.seen_by.empty() ? "the collector"
                                          : joined({balancer.seen_by.begin(), balancer.seen_by.end()}))};
}

bool isBalancerProcess(const std::string& process) {
    return process == "haproxy" || process == "envoy" || process == "traefik" || process == "pen" ||
           process == "keepalived";
}

/// What the other hosts' agents show; false if one of them runs a load balancer as well.
bool othersHaveNone(const Facts& facts, const std::string& instance, std::vector<Evidence>& evidence) {
    std::vector<std::string> without;
    bool none = true;
    for (const auto& [name, host] : facts.hosts) {
        if (name == instance || !host.agent_present || !host.listeners_known) {
            continue;
        }
        const auto found = std::find_if(host.listeners.begin(), host.listeners.end(),
                                        [](const auto& one) { return isBalancerProcess(one.process); });
        if (found == host.listeners.end()) {
            without.push_back(name);
        } else {
            none = false;
            evidence.push_back(
                {"sockets of " + name, found->process + " listens on port " + std::to_string(found->port)});
        }
    }
    if (!without.empty()) {
        evidence.push_back({"sockets of " + joined(without), "no load balancer listens there"});
    }
    return none && !without.empty();
}

/// What the declared entry shows; false if it does not point to one host.
bool entryIsFixed(const Context& context, const std::string& instance, std::vector<Evidence>& evidence) {
    const auto addresses = entryAddresses(context.site);
    bool fixed = !addresses.empty();
    for (const auto& address : addresses) {
        std::vector<std::string> holders;
        std::vector<std::string> asked;
        for (const auto& [name, host] : context.facts.hosts) {
            if (host.addresses.empty()) {
                continue;
            }
            asked.push_back(name);
            const bool holds = std::any_of(host.addresses.begin(), host.addresses.end(),
                                           [&](const auto& one) { return one.address == address; });
            if (holds) {
                holders.push_back(name);
            }
        }
        std::string text = "the site is requested at " + address.toString() + " only";
        if (!holders.empty()) {
            text += "; " + joined(holders) + " holds that address";
        } else if (!asked.empty()) {
            text += "; " + joined(asked) + (asked.size() == 1 ? " does" : " do") +
                    " not hold that address, so it does not move to " +
                    (asked.size() == 1 ? "it" : "any of them");
        }
        fixed = fixed && (holders.empty() || holders == std::vector{instance});
        evidence.push_back({"declared entry", std::move(text)});
    }
    return fixed && addresses.size() == 1;
}

std::string remedy(const Context& context, const LoadBalancerFact& balancer) {
    const auto second = reading(context.facts, {&balancer}, true);
    const auto reads = singlePoints(second);
    const auto writes = singlePoints(writing(context, second));
    const auto list = [](const std::set<std::string>& points) {
        return points.empty() ? std::string("none") : joined({points.begin(), points.end()});
    };
    const auto entries = entryAddresses(context.site);
    const auto address = entries.empty() ? std::string("the entry address") : entries[0].toString();
    return "Set up HAProxy with the same configuration on a second host and let keepalived move " + address +
           " between the two: on both, `apt-get install haproxy keepalived`, one vrrp_instance with the "
           "virtual address " +
           address + " (state MASTER on " + balancer.instance +
           ", BACKUP on the other; a vrrp_script that checks haproxy), `net.ipv4.ip_nonlocal_bind = 1`, and "
           "protocol 112 "
           "allowed between them.\nSimulated with a second load balancer, remaining single points: "
           "reading: " +
           list(reads) + "; writing: " + list(writes) + ".";
}

}  // namespace

void judgeLoadBalancers(const Context& context, Judgement& out) {
    for (const auto& [instance, balancer] : context.facts.balancers) {
        if (balancer.servers.empty()) {
            continue;
        }
        std::vector<const LoadBalancerFact*> alike;
        const auto mine = serversByHost(context.facts, balancer);
        for (const auto& [name, other] : context.facts.balancers) {
            const auto theirs = serversByHost(context.facts, other);
            const bool same = std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                                         [](const auto& a, const auto& b) { return a.first == b.first; });
            if (same) {
                alike.push_back(&other);
            }
        }
        Finding finding;
        finding.id = "R1";
        finding.subject = "haproxy@" + instance;
        const auto alone = reading(context.facts, {&balancer}, false);
        finding.evidence.push_back(statistics(context.facts, balancer));
        const bool fixed = entryIsFixed(context, instance, finding.evidence);
        const bool none = othersHaveNone(context.facts, instance, finding.evidence);
        const bool single = singlePoints(alone).contains(finding.subject);
        finding.severity = Severity::critical;
        finding.confidence = single && fixed && none ? Confidence::confirmed : Confidence::suspected;
        finding.title = "The load balancer on " + instance +
                        " is a single point of failure: if it stops, reading and writing stop";
        if (alike.size() > 1) {
            // A standby counts only with a live mechanism that moves the entry's address to it.
            finding.severity = Severity::high;
            finding.confidence = Confidence::suspected;
            finding.title = "The load balancer on " + instance + " may be a single point of failure";
            for (const auto* other : alike) {
                if (other->instance != instance) {
                    finding.evidence.push_back(
                        {"haproxy statistics of " + other->instance, "it serves the same hosts"});
                }
            }
            finding.not_assessed.emplace_back(
                "whether the entry's address moves to the other load balancer by itself");
        }
        if (entryAddresses(context.site).empty()) {
            finding.not_assessed.emplace_back(
                "the entry's address: declare it as site.entry in collector.yaml");
        }
        finding.not_assessed.emplace_back("VRRP on hosts without an agent, and the provider's network");
        finding.remedy = remedy(context, balancer);
        out.findings.push_back(std::move(finding));
    }
}

}  // namespace lapwing::analysis::redundancy
