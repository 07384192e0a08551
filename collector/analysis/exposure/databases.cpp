#include <algorithm>

#include "collector/analysis/exposure/exposure.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

/// Sources that no packet from elsewhere has: this network, loopback, multicast and reserved.
std::vector<reach::AddressRange> impossibleSources(reach::Family family) {
    std::vector<reach::AddressRange> out;
    const auto networks = family == reach::Family::ipv4
                              ? std::vector<const char*>{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"}
                              : std::vector<const char*>{"::/128", "::1/128", "ff00::/8"};
    for (const auto* network : networks) {
        if (const auto range = reach::AddressRange::parse(network)) {
            out.push_back(*range);
        }
    }
    return out;
}

bool contains(const std::vector<reach::AddressRange>& ranges, const reach::Address& address) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const auto& range) { return range.contains(address); });
}

struct Exposure {
    bool known = false;  ///< of at least one address
    std::vector<reach::AddressRange> reach;
    std::vector<reach::AddressRange> may;
};

/// From where the rules let connections to these listeners in, without those who may.
Exposure byRuleset(const Context& context, const HostFacts& host,
                   const std::vector<const ListenerFact*>& listeners,
                   const std::vector<reach::AddressRange>& allowed) {
    Exposure out;
    const auto* ruleset = host.firewall_up == true ? context.ruleset(host) : nullptr;
    if (ruleset == nullptr) {
        return out;
    }
    for (const auto* listener : listeners) {
        for (const auto& own : host.addresses) {
            const auto bound = reach::Address::parse(listener->address);
            if (own.address.family != listener->family || (!listener->isWildcard() && bound != own.address)) {
                continue;
            }
            reach::Packet packet;
            packet.source = reach::AddressRange::all(own.address.family);
            packet.destination = own.address;
            packet.port = static_cast<std::uint16_t>(listener->port);
            packet.interface = own.interface;
            const auto sources = ruleset->sources(packet);
            if (!sources) {
                continue;
            }
            out.known = true;
            out.reach.insert(out.reach.end(), sources->reach.begin(), sources->reach.end());
            out.may.insert(out.may.end(), sources->may.begin(), sources->may.end());
        }
    }
    auto without = allowed;
    for (const auto& own : host.addresses) {
        without.push_back(reach::AddressRange::of(own.address));
    }
    for (const auto family : {reach::Family::ipv4, reach::Family::ipv6}) {
        const auto impossible = impossibleSources(family);
        without.insert(without.end(), impossible.begin(), impossible.end());
    }
    const auto split = [&](std::vector<reach::AddressRange>& ranges) {
        std::vector<reach::AddressRange> left;
        for (const auto family : {reach::Family::ipv4, reach::Family::ipv6}) {
            std::vector<reach::AddressRange> of_family;
            std::copy_if(ranges.begin(), ranges.end(), std::back_inserter(of_family),
                         [&](const auto& range) { return range.family == family; });
            const auto some = reach::subtract(std::move(of_family), without);
            left.insert(left.end(), some.begin(), some.end());
        }
        ranges = std::move(left);
    };
    split(out.reach);
    split(out.may);
    return out;
}

struct Tried {
    Shown worst = Shown::nothing;
    std::string greeting;
    std::vector<Evidence> evidence;
};

Tried byAttempts(const Context& context, const HostFacts& host, const std::set<int>& ports,
                 const std::vector<reach::AddressRange>& allowed) {
    Tried out;
    for (const auto& attempt : host.attempts) {
        const auto source = reach::Address::parse(attempt.source);
        if (!ports.contains(attempt.port) || !source || contains(allowed, *source) ||
            attempt.at < context.rules_since(host.name)) {
            continue;
        }
        const auto shown = shownBy(attempt.result, attempt.control_ok);
        out.worst = std::min(out.worst, shown);
        auto text = attempt.source + (attempt.second ? " (a second address)" : "") + " to " +
                    attempt.address + ":" + std::to_string(attempt.port) + ": " + attempt.result;
        if (shown == Shown::silent) {
            text += ", while the control port answered";
        }
        if (attempt.greeting == "accepted") {
            out.greeting = attempt.greeting;
            text += "; the server greeted and would have taken a login";
        } else if (attempt.greeting == "host_not_allowed") {
            out.greeting = out.greeting.empty() ? attempt.greeting : out.greeting;
            text += "; the server has no account for that host (host not allowed)";
        }
        out.evidence.push_back({"attempt from " + attempt.from, std::move(text)});
    }
    return out;
}

Evidence listenerEvidence(const HostFacts& host, const std::vector<const ListenerFact*>& listeners) {
    std::set<std::string> places;
    std::string process;
    for (const auto* listener : listeners) {
        places.insert((listener->family == reach::Family::ipv6 || listener->address == "::"
                           ? "[" + listener->address + "]"
                           : listener->address) +
                      ":" + std::to_string(listener->port));
        process = listener->process.empty() ? process : listener->process;
    }
    return {"sockets of " + host.name, (process.empty() ? "a program" : process) + " listens on " +
                                           joined({places.begin(), places.end()})};
}

std::string remedyFor(const Context& context, const HostFacts& host) {
    return "Let the database's port in from its peers only. This ruleset does, and drops the rest:\n" +
           firewallRemedy(context, host);
}

void judgeHost(const Context& context, const HostFacts& host, Judgement& out) {
    const FindingKey key{"F2", "mysql@" + host.name};
    std::vector<const ListenerFact*> listeners;
    std::set<int> ports;
    for (const auto& listener : host.listeners) {
        const auto address = reach::Address::parse(listener.address);
        if (listener.protocol == "tcp" && listener.service() == "mysql" && address &&
            !address->isLoopback()) {
            listeners.push_back(&listener);
            ports.insert(listener.port);
        }
    }
    if (listeners.empty()) {
        if (host.listeners_known) {
            out.judged.insert(key);
        }
        return;
    }
    const auto allowed = allowedToDatabase(context);
    const auto rules = byRuleset(context, host, listeners, allowed);
    const auto tried = byAttempts(context, host, ports, allowed);
    const bool exposed = !rules.reach.empty();
    if (!exposed && tried.worst != Shown::open) {
        if (rules.known && rules.may.empty()) {
            out.judged.insert(key);
        }
        return;
    }
    Finding finding;
    finding.id = key.first;
    finding.subject = key.second;
    finding.title = "MySQL on " + host.name + " is reachable from addresses that have no business there";
    finding.severity = tried.greeting == "host_not_allowed" ? Severity::medium : Severity::critical;
    finding.confidence = tried.worst == Shown::open ? Confidence::confirmed : Confidence::suspected;
    finding.not_assessed = notAssessedFromInside();
    if (exposed) {
        finding.evidence.push_back(
            {"ruleset of " + host.name, "lets connections in from " + rangesText(rules.reach)});
    } else if (rules.known && rules.may.empty()) {
        finding.confidence = Confidence::suspected;
        finding.evidence.push_back(
            {"ruleset of " + host.name, "blocks these sources: this contradicts the connection"});
    } else {
        finding.not_assessed.emplace_back("the ruleset of " + host.name + ": it could not be evaluated");
    }
    finding.evidence.insert(finding.evidence.end(), tried.evidence.begin(), tried.evidence.end());
    finding.evidence.push_back(listenerEvidence(host, listeners));
    if (tried.worst == Shown::silent || tried.worst == Shown::refused) {
        finding.severity = Severity::high;
        finding.not_assessed.emplace_back(
            "why a connection that the rules accept does not come about: something on the way filters or "
            "resets");
    } else if (tried.worst == Shown::nothing) {
        finding.not_assessed.emplace_back("not tested from an address that nobody would allow-list");
    }
    finding.remedy = remedyFor(context, host);
    out.findings.push_back(std::move(finding));
}

}  // namespace

std::vector<reach::AddressRange> allowedToDatabase(const Context& context) {
    std::vector<reach::AddressRange> out;
    for (const auto& allow : context.site.allow) {
        if (allow.to != "mysql" && allow.to != "tcp/3306") {
            continue;
        }
        for (const auto& from : allow.from) {
            if (const auto range = reach::AddressRange::parse(from)) {
                out.push_back(*range);
            }
        }
    }
    std::set<std::string> peers;
    for (const auto& pair : context.site.replication) {
        peers.insert(pair.primary);
        peers.insert(pair.replica);
    }
    for (const auto& replica : context.facts.replicas) {
        peers.insert(replica.replica);
        if (const auto primary = reach::Address::parse(replica.primary_address)) {
            out.push_back(reach::AddressRange::of(*primary));
        }
    }
    for (const auto& [instance, balancer] : context.facts.balancers) {
        for (const auto& server : balancer.servers) {
            const auto address = reach::Address::parse(server.address.substr(0, server.address.rfind(':')));
            const auto* holder = address ? context.facts.holder(*address) : nullptr;
            peers.insert(holder != nullptr ? holder->name : server.server);
        }
    }
    for (const auto& peer : peers) {
        for (const auto& address : knownAddresses(context.facts, peer)) {
            out.push_back(reach::AddressRange::of(address));
        }
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return std::tie(a.family, a.low, a.high) < std::tie(b.family, b.low, b.high);
    });
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void judgeDatabases(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.facts.hosts) {
        if (host.agent_present) {
            judgeHost(context, host, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
