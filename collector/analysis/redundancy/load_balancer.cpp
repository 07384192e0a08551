#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/redundancy/virtual_address.h"
#include "common/text.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::Entry;
using topology::Pool;
using topology::ServiceKind;
using topology::Standby;

/// The load balancer that receives an entry's requests.
struct Receiver {
    std::string host;
    std::string component;  ///< of the topology: the subject of the finding
    std::string program;    ///< as people write it; "" if unknown
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
    const auto& source = pools.front()->by.source;
    auto text = std::string(alone ? "it alone" : "it") + " spreads requests over " +
                counted(machines.size(), "host", "hosts") + ": " + joined(words);
    const auto found = context.network.balancers.find(pools.front()->balancer);
    if (pools.front()->isHaproxys() && found != context.network.balancers.end()) {
        const auto& readers = found->second.seen_by;
        text += "; read by " + (readers.empty() ? "the collector" : joined({readers.begin(), readers.end()}));
    }
    return {source, std::move(text)};
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

std::string remedy(const Context& context, const Entry& entry) {
    std::string out;
    for (const auto& standby : entry.standbys) {
        out += takeoverSteps(context, entry, standby);
    }
    if (entry.standbys.empty()) {
        out = virtualAddressSteps(context, entry, BalancerPair::of(context.moment->model, entry));
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

/// The load balancer that receives the entry's requests; nothing if it spreads none.
std::optional<Receiver> receiverOf(const Context& context, const Entry& entry) {
    const auto& balancers = context.moment->model.balancers;
    const auto found = balancers.find(entry.active);
    if (found == balancers.end()) {
        return std::nullopt;
    }
    auto pools = poolsOf(context, entry.active);
    std::erase_if(pools, [&](const auto* pool) { return pool->by.component != found->second.component; });
    if (pools.empty()) {
        return std::nullopt;
    }
    return Receiver{entry.active, found->second.component, found->second.program,
                    statistics(context, pools, entry.standbys.empty())};
}

/// "The load balancer on lb-01 (Nginx)"
std::string nameOf(const Receiver& receiver) {
    return receiver.program.empty() ? "The load balancer on " + receiver.host
                                    : "The load balancer on " + receiver.host + " (" + receiver.program + ")";
}

void judgeSingle(const Context& context, const Entry& entry, const Receiver& receiver, Judgement& out) {
    const auto* service = context.moment->model.service(ServiceKind::read);
    if (service == nullptr) {
        return;
    }
    const FindingKey key{"R1", receiver.component};
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
        finding.title = nameOf(receiver) + " is a single point of failure: if it stops, the site stops";
    } else {
        finding.severity = Severity::high;
        finding.confidence = Confidence::suspected;
        finding.title = nameOf(receiver) + " may be a single point of failure";
        finding.not_assessed.emplace_back(
            entry.one_of_several ? "whether clients try another address of " + entry.name
                                 : "whether the entry's address moves to the other load balancer by itself");
    }
    for (const auto& standby : entry.one_of_several ? std::vector<Standby>{} : entry.standbys) {
        finding.evidence.push_back({context.moment->model.balancers.at(standby.host).source,
                                    "there is another load balancer on " + standby.host});
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
        if (const auto receiver = receiverOf(context, entry)) {
            judgeSingle(context, entry, *receiver, out);
        }
        for (const auto& standby : entry.standbys) {
            // A standby is no single point, though it may have been one before.
            const auto* service = context.moment->model.service(ServiceKind::read);
            const auto& id = context.moment->model.balancers.at(standby.host).component;
            if (service != nullptr && !service->design.singles(false).contains(id)) {
                out.judged.insert({"R1", id});
            }
        }
    }
}

}  // namespace lapwing::analysis::redundancy
