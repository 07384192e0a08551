#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/redundancy/virtual_address.h"
#include "common/text.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::ComponentKind;
using topology::Entry;
using topology::Pool;
using topology::ServiceKind;
using topology::Standby;

/// A load balancer that receives an entry's requests: HAProxy, or an Nginx that passes them to several hosts.
struct Receiver {
    std::string host;
    std::string subject;    ///< of the finding
    std::string component;  ///< of the topology
    const char* program;    ///< as people write it
    Evidence spreads;
};

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
bool entryIsFixed(const Context& context, const Entry& entry, const std::string& host,
                  std::vector<Evidence>& evidence) {
    if (!entry.address) {
        return false;
    }
    std::vector<std::string> asked;
    for (const auto& [name, other] : context.network.hosts) {
        if (!other.addresses.empty()) {
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
    return holders.empty() || holders == std::vector{host};
}

std::string remedy(const Context& context, const Entry& entry, const Receiver& receiver) {
    std::string out;
    for (const auto& standby : entry.standbys) {
        out += takeoverSteps(context, entry, standby);
    }
    if (entry.standbys.empty()) {
        out = virtualAddressSteps(context, entry, {lower(receiver.program), receiver.host, ""});
    }
    return out + simulatedBalancer(context);
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

/// The HAProxy that receives the entry's requests; nothing if it spreads none.
std::optional<Receiver> haproxyBehind(const Context& context, const Entry& entry) {
    const auto pools = poolsOf(context, entry.active);
    if (entry.active.empty() || pools.empty()) {
        return std::nullopt;
    }
    const auto id = topology::idOf(ComponentKind::haproxy, entry.active);
    return Receiver{entry.active, id, id, "HAProxy", statistics(context, pools, entry.standbys.empty())};
}

/// The Nginx that receives the entry's requests and passes them to several other hosts.
std::optional<Receiver> nginxBehind(const Context& context, const Entry& entry) {
    const auto& model = context.moment->model;
    const auto id = topology::idOf(ComponentKind::web, entry.direct);
    const auto needed = model.apps_of_web.find(id);
    if (entry.direct.empty() || needed == model.apps_of_web.end()) {
        return std::nullopt;
    }
    std::set<std::string> targets;
    std::set<std::string> machines;
    for (const auto& alternatives : needed->second) {
        for (const auto& target : alternatives) {
            const auto machine = model.machineOf(model.components.at(target).host);
            if (machine != model.machineOf(entry.direct)) {
                targets.insert(target);
                machines.insert(machine);
            }
        }
    }
    if (machines.size() < 2) {
        return std::nullopt;
    }
    return Receiver{entry.direct,
                    "nginx@" + entry.direct,
                    id,
                    "Nginx",
                    {"Nginx configuration of " + entry.direct,
                     "it spreads requests over " + counted(machines.size(), "host", "hosts") + ": " +
                         joined({targets.begin(), targets.end()})}};
}

void judgeSingle(const Context& context, const Entry& entry, const Receiver& receiver, Judgement& out) {
    const auto* service = context.moment->model.service(ServiceKind::read);
    if (service == nullptr) {
        return;
    }
    const FindingKey key{"R1", receiver.subject};
    const auto machine = context.moment->model.machineOf(receiver.host);
    const auto all = service->design.singles(false);
    if (!all.contains(receiver.component) && !all.contains(machine)) {
        out.judged.insert(key);
        return;
    }
    const auto certain = service->design.singles();
    Finding finding;
    finding.evidence.push_back(receiver.spreads);
    const bool fixed = entryIsFixed(context, entry, receiver.host, finding.evidence);
    const bool none = othersHaveNone(context.network, receiver.host, finding.evidence);
    if (certain.contains(receiver.component) || certain.contains(machine)) {
        finding.severity = Severity::critical;
        const bool stay = std::all_of(entry.standbys.begin(), entry.standbys.end(),
                                      [](const auto& each) { return each.takesOver() == Truth::no; });
        const bool certainly = entry.standbys.empty() ? fixed && none : stay;
        finding.confidence = certainly ? Confidence::confirmed : Confidence::suspected;
        finding.title = "The load balancer on " + receiver.host +
                        " is a single point of failure: if it stops, reading and writing stop";
    } else {
        finding.severity = Severity::high;
        finding.confidence = Confidence::suspected;
        finding.title = "The load balancer on " + receiver.host + " may be a single point of failure";
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
    finding.remedy = remedy(context, entry, receiver);
    conclude(out, key, std::move(finding));
}

/// Whether the standby of an Nginx would take over is not examined: an address that moves counts as a pair.
void judgeNginx(const Context& context, const Entry& entry, const Receiver& nginx, Judgement& out) {
    if (entry.address && context.moment->services.moversOf(*entry.address).size() > 1) {
        out.judged.insert({"R1", nginx.subject});
        return;
    }
    judgeSingle(context, entry, nginx, out);
}

}  // namespace

void judgeLoadBalancers(const Context& context, Judgement& out) {
    for (const auto& entry : context.moment->model.entries) {
        if (const auto nginx = nginxBehind(context, entry); nginx) {
            judgeNginx(context, entry, *nginx, out);
        }
        if (const auto haproxy = haproxyBehind(context, entry); haproxy) {
            judgeSingle(context, entry, *haproxy, out);
        }
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
