#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::ComponentKind;
using topology::Entry;
using topology::Pool;
using topology::ServiceKind;
using topology::Standby;

Evidence statistics(const Context& context, const std::vector<const Pool*>& pools, bool alone) {
    std::map<std::string, std::string> states;
    std::set<std::string> machines;
    for (const auto* pool : pools) {
        for (const auto& member : pool->members) {
            states[pool->proxy + "/" + member.server.server] =
                member.server.state == evidence::ServerState::unknown ? "state unknown"
                                                                      : member.server.state_text;
            machines.insert(member.machine);
        }
    }
    std::vector<std::string> words;
    words.reserve(states.size());
    for (const auto& [name, state] : states) {
        words.push_back(name);
        words.back().append(" (").append(state).append(")");
    }
    const auto& instance = pools.front()->balancer;
    const auto found = context.network.balancers.find(instance);
    const auto readers =
        found == context.network.balancers.end() ? std::set<std::string>() : found->second.seen_by;
    return {"haproxy statistics of " + instance,
            std::string(alone ? "it alone" : "it") + " spreads requests over " +
                counted(machines.size(), "host", "hosts") + ": " + joined(words) + "; read by " +
                (readers.empty() ? "the collector" : joined({readers.begin(), readers.end()}))};
}

/// Evidence from the other hosts' listeners; false if another host runs a load balancer, too.
bool othersHaveNone(const evidence::Network& network, const std::string& host,
                    std::vector<Evidence>& evidence) {
    std::vector<std::string> without;
    bool none = true;
    for (const auto& [name, other] : network.hosts) {
        if (name == host || !other.agent_present || !other.listeners_known) {
            continue;
        }
        const auto found =
            std::find_if(other.listeners.begin(), other.listeners.end(),
                         [](const auto& listener) { return evidence::isLoadBalancer(listener.process); });
        if (found == other.listeners.end()) {
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

/// Evidence from the declared entry; false unless only this host can hold its address.
bool entryIsFixed(const Context& context, const Entry& entry, std::vector<Evidence>& evidence) {
    if (!entry.address) {
        return false;
    }
    std::vector<std::string> asked;
    for (const auto& [name, host] : context.network.hosts) {
        if (!host.addresses.empty()) {
            asked.push_back(name);
        }
    }
    const std::vector<std::string> holders(entry.holders.begin(), entry.holders.end());
    std::string text = "the site is requested at " + entry.address->toString() + " only";
    if (!holders.empty()) {
        text += "; " + joined(holders) + (holders.size() == 1 ? " holds" : " hold") + " that address";
    } else if (!asked.empty()) {
        text += "; " + joined(asked) + (asked.size() == 1 ? " does" : " do") +
                " not hold that address, so it does not move to " +
                (asked.size() == 1 ? "it" : "any of them");
    }
    evidence.push_back({"declared entry", std::move(text)});
    return holders.empty() || holders == std::vector{entry.active};
}

std::string remedy(const Context& context, const Entry& entry) {
    if (!entry.standbys.empty()) {
        std::vector<std::string> hosts;
        for (const auto& standby : entry.standbys) {
            hosts.push_back(standby.host);
        }
        return "Let the load balancer on " + joined(hosts) +
               " take over: finding R9 of it says what keeps it.\n" + simulatedBalancer(context);
    }
    const auto address = entry.address ? entry.address->toString() : std::string("the entry address");
    const auto text =
        "Set up HAProxy with the same configuration on a second host and let keepalived move " + address +
        " between the two: on both, `apt-get install haproxy keepalived`, one vrrp_instance with the "
        "virtual address " +
        address + " (state MASTER on " + entry.active +
        ", BACKUP on the other; a vrrp_script that checks haproxy), `net.ipv4.ip_nonlocal_bind = 1`, "
        "and protocol 112 allowed between them.\n";
    return text + simulatedBalancer(context);
}

std::vector<const Pool*> poolsOf(const Context& context, const std::string& host) {
    std::vector<const Pool*> out;
    for (const auto& pool : context.moment->model.pools) {
        if (pool.host == host) {
            out.push_back(&pool);
        }
    }
    return out;
}

void judgeSingle(const Context& context, const Entry& entry, Judgement& out) {
    const auto* service = context.moment->model.service(ServiceKind::read);
    const auto pools = poolsOf(context, entry.active);
    if (service == nullptr || pools.empty()) {
        return;
    }
    const FindingKey key{"R1", topology::idOf(ComponentKind::haproxy, entry.active)};
    const auto machine = context.moment->model.machineOf(entry.active);
    const auto all = service->design.singles(false);
    if (!all.contains(key.second) && !all.contains(machine)) {
        out.judged.insert(key);
        return;
    }
    const auto certain = service->design.singles();
    Finding finding;
    finding.evidence.push_back(statistics(context, pools, entry.standbys.empty()));
    const bool fixed = entryIsFixed(context, entry, finding.evidence);
    const bool none = othersHaveNone(context.network, entry.active, finding.evidence);
    if (certain.contains(key.second) || certain.contains(machine)) {
        finding.severity = Severity::critical;
        const bool stay = std::all_of(entry.standbys.begin(), entry.standbys.end(),
                                      [](const auto& each) { return each.takes_over == Truth::no; });
        const bool certainly = entry.standbys.empty() ? fixed && none : stay;
        finding.confidence = certainly ? Confidence::confirmed : Confidence::suspected;
        finding.title = "The load balancer on " + entry.active +
                        " is a single point of failure: if it stops, reading and writing stop";
    } else {
        finding.severity = Severity::high;
        finding.confidence = Confidence::suspected;
        finding.title = "The load balancer on " + entry.active + " may be a single point of failure";
        finding.not_assessed.emplace_back(
            entry.one_of_several ? "whether clients try another address of " + entry.name
                                 : "whether the entry's address moves to the other load balancer by itself");
    }
    for (const auto& standby : entry.one_of_several ? std::vector<Standby>{} : entry.standbys) {
        finding.evidence.push_back(
            {"haproxy statistics of " + standby.host, "there is another load balancer"});
        const auto obstacles = standby.obstacleEvidence();
        finding.evidence.insert(finding.evidence.end(), obstacles.begin(), obstacles.end());
    }
    if (!entry.address) {
        finding.not_assessed.emplace_back(
            entry.name.empty() ? "the entry's address: declare it as site.entry in collector.yaml"
                               : "the addresses of " + entry.name);
    }
    finding.not_assessed.emplace_back("VRRP on hosts without an agent, and the provider's network");
    finding.remedy = remedy(context, entry);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeLoadBalancers(const Context& context, Judgement& out) {
    for (const auto& entry : context.moment->model.entries) {
        if (entry.active.empty()) {
            continue;
        }
        judgeSingle(context, entry, out);
        for (const auto& standby : entry.standbys) {
            // A standby is no single point, though it may have been one before.
            const auto* service = context.moment->model.service(ServiceKind::read);
            if (service != nullptr && !service->design.singles(false).contains(
                                          topology::idOf(ComponentKind::haproxy, standby.host))) {
                out.judged.insert({"R1", topology::idOf(ComponentKind::haproxy, standby.host)});
            }
        }
    }
}

}  // namespace lapwing::analysis::redundancy
