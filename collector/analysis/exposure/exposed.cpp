#include "collector/analysis/exposure/exposed.h"

#include <algorithm>

#include "common/endpoint.h"

namespace lapwing::analysis::exposure {

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

namespace {

using evidence::Greeting;

bool contains(const std::vector<reach::AddressRange>& ranges, const reach::Address& address) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const auto& range) { return range.contains(address); });
}

struct Exposure {
    bool known = false;  ///< of at least one address
    std::vector<reach::AddressRange> reach;
    std::vector<reach::AddressRange> may;
    std::vector<Part> parts;  ///< each port, with every source that the rules let in: allowed ones, too
};

/// The sources from which the rules let connections to these listeners in, without the allowed ones.
Exposure byRuleset(const Context& context, const evidence::Host& host,
                   const std::vector<const evidence::Listener*>& listeners,
                   const std::vector<reach::AddressRange>& allowed) {
    Exposure out;
    const auto* ruleset = host.firewall_up == true ? context.ruleset(host) : nullptr;
    if (ruleset == nullptr) {
        return out;
    }
    for (const auto* listener : listeners) {
        for (auto& packet : packetsTo(host, listener->family, listener->port, listener)) {
            const auto sources = ruleset->sources(packet);
            if (!sources) {
                continue;
            }
            out.known = true;
            const auto& found = **sources;
            out.reach.insert(out.reach.end(), found.reach.begin(), found.reach.end());
            out.may.insert(out.may.end(), found.may.begin(), found.may.end());
            addParts("tcp/" + std::to_string(listener->port), found.reach, out.parts);
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
    Greeting greeting = Greeting::none;
    std::vector<Evidence> evidence;
    std::vector<Part> parts;  ///< the connections that came about
};

Tried byAttempts(const Context& context, const evidence::Host& host, const std::set<int>& ports,
                 const Service& service) {
    Tried out;
    for (const auto& attempt : host.attempts) {
        const auto source = reach::Address::parse(attempt.source);
        if (!ports.contains(attempt.port) || !source || contains(service.allowed, *source) ||
            (service.from_anywhere && !attempt.second) || attempt.at < context.rules_since(host.name)) {
            continue;
        }
        const auto dropped = droppedAfterOpening(context, host, attempt);
        const auto shown = dropped ? Shown::nothing : shownBy(attempt.result, attempt.control_ok);
        out.worst = std::min(out.worst, shown);
        if (shown == Shown::open) {
            out.parts.push_back({"tcp/" + std::to_string(attempt.port), source->toString()});
        }
        auto text = attempt.source + (attempt.second ? " (a second address)" : "") + " to " +
                    endpointText(attempt) + ": " + evidence::connectResultName(attempt.result);
        if (dropped) {
            text += std::string("; the rules then drop the ") + reach::packetTitle(*dropped);
        }
        if (shown == Shown::silent) {
            text += ", while the control port answered";
        }
        if (attempt.greeting == Greeting::accepted) {
            out.greeting = attempt.greeting;
            text += "; the server greeted and would have taken a login";
        } else if (attempt.greeting == Greeting::haproxy_stats ||
                   attempt.greeting == Greeting::haproxy_stats_admin) {
            out.greeting = attempt.greeting;
            text += "; it showed HAProxy's statistics without asking who it is";
            text += attempt.greeting == Greeting::haproxy_stats
                        ? ""
                        : ", and offered to change the servers' state";
        } else if (attempt.greeting == Greeting::http_401) {
            out.greeting = out.greeting == Greeting::none ? attempt.greeting : out.greeting;
            text += "; it asked for a password (HTTP 401)";
        } else if (attempt.greeting == Greeting::http_other) {
            text += "; it answered HTTP " + attempt.http_status;
        } else if (attempt.greeting == Greeting::ssh) {
            text += "; it greeted as an SSH server";
        } else if (attempt.greeting == Greeting::host_not_allowed) {
            out.greeting = out.greeting == Greeting::none ? attempt.greeting : out.greeting;
            text += "; the server has no account for that host (host not allowed)";
        }
        out.evidence.push_back({"attempt from " + attempt.from, std::move(text)});
    }
    return out;
}

Evidence listenerEvidence(const evidence::Host& host,
                          const std::vector<const evidence::Listener*>& listeners) {
    std::set<std::string> places;
    std::string process;
    for (const auto* listener : listeners) {
        places.insert(Endpoint{listener->address, static_cast<std::uint16_t>(listener->port)}.toString());
        process = listener->process.empty() ? process : listener->process;
    }
    return {"sockets of " + host.name, (process.empty() ? "a program" : process) + " listens on " +
                                           joined({places.begin(), places.end()})};
}

/// The ranges include an address that no rule names.
bool includesStrangers(const reach::Ruleset& ruleset, const std::vector<reach::AddressRange>& ranges) {
    return contains(ranges, ruleset.stranger(reach::Family::ipv4)) ||
           contains(ranges, ruleset.stranger(reach::Family::ipv6));
}

std::set<int> portsOf(const Service& service) {
    auto ports = service.ports;
    for (const auto* listener : service.listeners) {
        ports.insert(listener->port);
    }
    return ports;
}

}  // namespace

std::vector<const evidence::Listener*> listenersOf(
    const evidence::Host& host, const std::function<bool(const evidence::Listener&)>& wanted) {
    std::vector<const evidence::Listener*> out;
    for (const auto& listener : host.listeners) {
        const auto address = reach::Address::parse(listener.address);
        if (listener.isTcp() && address && !address->isLoopback() && wanted(listener)) {
            out.push_back(&listener);
        }
    }
    return out;
}

const reach::Ruleset* rulesetOf(const Context& context, const evidence::Host& host) {
    return host.agent_present && host.firewall_up == true ? context.ruleset(host) : nullptr;
}

void eachRuleset(const Context& context,
                 const std::function<void(const evidence::Host&, const reach::Ruleset&)>& judge) {
    for (const auto& [name, host] : context.network.hosts) {
        if (context.is_over()) {
            return;
        }
        if (const auto* ruleset = rulesetOf(context, host)) {
            judge(host, *ruleset);
        }
    }
}

std::string managersText(const reach::Ruleset& ruleset) {
    const auto managers = ruleset.managers();
    return managers.empty() ? "" : " (rules of " + joined(managers) + ")";
}

std::vector<reach::AddressRange> declaredFor(const Site& site, const std::vector<std::string>& names) {
    std::vector<reach::AddressRange> out;
    for (const auto& allow : site.allow) {
        if (std::find(names.begin(), names.end(), allow.to) == names.end()) {
            continue;
        }
        for (const auto& from : allow.from) {
            if (const auto range = reach::AddressRange::parse(from)) {
                out.push_back(*range);
            }
        }
    }
    return out;
}

const char* familyText(reach::Family family) {
    return family == reach::Family::ipv4 ? "IPv4" : "IPv6";
}

std::vector<reach::AddressRange> callersOf(const Context& context, const std::string& host) {
    return evidence::asRanges(evidence::likelyAddresses(context.network, host));
}

std::string endpointText(const evidence::Attempt& attempt) {
    return Endpoint{attempt.address, static_cast<std::uint16_t>(attempt.port)}.toString();
}

bool isAfterOpening(reach::PacketKind packet) {
    return packet == reach::PacketKind::ack || packet == reach::PacketKind::data ||
           packet == reach::PacketKind::answer_ack || packet == reach::PacketKind::answer_data;
}

std::optional<reach::PacketKind> droppedAfterOpening(const Context& context, const evidence::Host& host,
                                                     const evidence::Attempt& attempt) {
    const auto* ruleset = rulesetOf(context, host);
    const auto source = reach::Address::parse(attempt.source);
    const auto address = reach::Address::parse(attempt.address);
    const bool opened = attempt.result == evidence::ConnectResult::open && attempt.greeting == Greeting::none;
    if (!opened || ruleset == nullptr || !source || !address || source->family != address->family) {
        return std::nullopt;
    }
    for (auto& packet : packetsTo(host, address->family, attempt.port)) {
        if (packet.destination != *address) {
            continue;
        }
        packet.source = reach::AddressRange::of(*source);
        const auto result = ruleset->evaluate(packet);
        if (result.verdict == reach::Verdict::must_block && result.failing_packet &&
            isAfterOpening(*result.failing_packet)) {
            return result.failing_packet;
        }
    }
    return std::nullopt;
}

bool isOwn(const evidence::Host& host, const reach::AddressRange& sources) {
    return std::any_of(host.addresses.begin(), host.addresses.end(),
                       [&](const auto& one) { return sources.contains(one.address); });
}

std::vector<reach::Packet> packetsTo(const evidence::Host& host, reach::Family family, int port,
                                     const evidence::Listener* bound) {
    std::vector<reach::Packet> out;
    for (const auto& own : host.addresses) {
        const bool serves =
            bound == nullptr || bound->isWildcard() || reach::Address::parse(bound->address) == own.address;
        if (own.address.family != family || !serves || own.address.isLinkLocal()) {
            continue;
        }
        reach::Packet packet;
        packet.source = reach::AddressRange::all(family);
        packet.destination = own.address;
        packet.port = static_cast<std::uint16_t>(port);
        packet.interface = own.interface;
        out.push_back(std::move(packet));
    }
    return out;
}

void judgeService(const Context& context, const evidence::Host& host, const Service& service,
                  Judgement& out) {
    const FindingKey key{service.id, service.subject};
    const auto ports = portsOf(service);
    if (context.is_over()) {
        return;
    }
    if (ports.empty()) {
        if (host.listeners_known) {
            out.judged.insert(key);
        }
        return;
    }
    const auto rules = byRuleset(context, host, service.listeners, service.allowed);
    const auto tried = byAttempts(context, host, ports, service);
    const auto* ruleset = context.ruleset(host);
    const bool exposed =
        !rules.reach.empty() &&
        (!service.from_anywhere || (ruleset != nullptr && includesStrangers(*ruleset, rules.reach)));
    if (!exposed && tried.worst != Shown::open) {
        // A host without an agent shows in attempts only.
        const bool closed = rules.known ? rules.may.empty()
                                        : !host.agent_present &&
                                              (tried.worst == Shown::refused || tried.worst == Shown::silent);
        if (closed) {
            out.judged.insert(key);
        }
        return;
    }
    Finding finding;
    finding.id = service.id;
    finding.subject = service.subject;
    finding.title = service.title;
    const auto greeted = service.by_greeting.find(tried.greeting);
    finding.severity = service.severity;
    if (greeted != service.by_greeting.end()) {
        finding.severity = greeted->second.severity;
        if (!greeted->second.title.empty()) {
            finding.title = greeted->second.title;
        }
    }
    finding.confidence = tried.worst == Shown::open ? Confidence::confirmed : Confidence::suspected;
    finding.not_assessed = notAssessedFromInside();
    finding.parts = exposed ? rules.parts : tried.parts;
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
    if (!service.listeners.empty()) {
        finding.evidence.push_back(listenerEvidence(host, service.listeners));
    }
    if (tried.worst == Shown::silent || tried.worst == Shown::refused) {
        finding.severity = lowered(service.severity);
        finding.not_assessed.emplace_back(
            "why a connection that the rules accept does not come about: something on the way filters or "
            "resets");
    } else if (tried.worst == Shown::nothing) {
        finding.not_assessed.emplace_back("not tested from an address that nobody would allow-list");
    }
    finding.not_assessed.insert(finding.not_assessed.end(), service.not_assessed.begin(),
                                service.not_assessed.end());
    finding.remedy = service.remedy();
    out.findings.push_back(std::move(finding));
}

}  // namespace lapwing::analysis::exposure
