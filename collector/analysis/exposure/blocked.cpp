#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/flows.h"
#include "collector/analysis/exposure/loading.h"

namespace lapwing::analysis::exposure {

namespace {

struct Blocked {
    std::vector<reach::AddressRange> from;
    std::vector<std::string> rules;
    std::set<reach::PacketKind> packets;  ///< the first of each exchange that does not get through
    bool known = true;
};

/// The sources of the flow that the ruleset keeps out.
Blocked blockedOf(const reach::Ruleset& ruleset, const Context& context, const evidence::Host& host,
                  const Flow& flow) {
    Blocked out;
    std::set<std::string> rules;
    for (const auto& source : flow.from) {
        for (const auto& packet : packetsOf(context, host, flow, source)) {
            const auto result = ruleset.evaluate(packet);
            out.known = out.known && result.verdict != reach::Verdict::may;
            if (result.verdict == reach::Verdict::must_block) {
                out.from.push_back(source);
                rules.insert(result.decided_by.begin(), result.decided_by.end());
                if (result.failing_packet) {
                    out.packets.insert(*result.failing_packet);
                }
            }
        }
    }
    evidence::sortUnique(out.from);
    out.rules = {rules.begin(), rules.end()};
    return out;
}

/// "the third packet (ACK) is dropped"; "" where the first packet is.
std::string failureText(const std::set<reach::PacketKind>& packets) {
    std::string out;
    for (const auto packet : packets) {
        const bool first = packet == reach::PacketKind::syn || packet == reach::PacketKind::request ||
                           packet == reach::PacketKind::advertisement;
        out += first ? ""
                     : (out.empty() ? "" : "; ") + std::string("the ") + reach::packetTitle(packet) +
                           " is dropped";
    }
    return out;
}

/// A connection opens before these packets are sent: that it opens is no contradiction.
bool opensFirst(const std::set<reach::PacketKind>& packets) {
    return !packets.empty() && std::all_of(packets.begin(), packets.end(), isAfterOpening);
}

/// A rule or a policy, not a route or a filter of the kernel.
bool isOfFirewall(const std::string& reason) {
    return reason.find(" handle ") != std::string::npos || reason.find(" rule ") != std::string::npos ||
           reason.find(" policy ") != std::string::npos;
}

/// The flow's rule for legacy iptables. Protocols by their number: without /etc/protocols it knows no names.
std::string legacyCommand(const Flow& flow, const reach::AddressRange& source) {
    const bool vrrp = flow.protocol == reach::Protocol::vrrp;
    return std::string(source.family == reach::Family::ipv4 ? "iptables" : "ip6tables") +
           "-legacy -I INPUT -s " + source.toString() +
           (vrrp ? " -p " + std::to_string(reach::kVrrp) : " -p tcp --dport " + std::to_string(flow.port)) +
           " -j ACCEPT\n";
}

/// "inet filter input" of a rule's or a policy's place.
std::string chainOf(const std::string& place) {
    return place.substr(0, std::min(place.find(" handle "), place.find(" policy ")));
}

/// Before the rule at `place`, or at the end of the chain whose policy is in the way.
std::string nftCommand(const std::string& place, const Flow& flow, const reach::AddressRange& source) {
    const auto handle = place.find(" handle ");
    const auto chain = chainOf(place);
    const auto rule = ruleText({{addressMatch(sourceField(source.family), {source}), flow.match()}});
    return (handle == std::string::npos ? "nft add rule " + chain
                                        : "nft insert rule " + chain + place.substr(handle)) +
           " " + rule + "\n";
}

std::string ufwCommand(const Flow& flow, const reach::AddressRange& source) {
    const bool vrrp = flow.protocol == reach::Protocol::vrrp;
    return "ufw prepend allow proto " + std::string(vrrp ? "vrrp" : "tcp") + " from " + source.toString() +
           " to any" + (vrrp ? "" : " port " + std::to_string(flow.port)) + "\n";
}

/// Keeps nft's rules for the next boot: nftables.conf gets them at its end, where its chains exist.
std::string keepInNftablesConf(const Blocked& found, const Flow& flow) {
    std::string lines;
    for (const auto& place : found.rules) {
        for (const auto& source : found.from) {
            const auto rule = ruleText({{addressMatch(sourceField(source.family), {source}), flow.match()}});
            lines += " echo 'insert rule " + chainOf(place) + " " + rule + "';";
        }
    }
    return "{ cat /etc/nftables.conf; echo;" + lines +
           " } >/etc/nftables.conf.new\n"
           "nft -c -f /etc/nftables.conf.new && cp -a --backup=numbered /etc/nftables.conf.new "
           "/etc/nftables.conf\n";
}

/// One command for each rule or policy that is in the way, and what keeps it over a reboot.
std::string remedyFor(const evidence::Host& host, Blocked found, const Flow& flow) {
    std::string others;
    for (const auto& reason : found.rules) {
        others += isOfFirewall(reason) ? "" : "# Not a rule of the firewall: " + reason + "\n";
    }
    std::erase_if(found.rules, [](const auto& reason) { return !isOfFirewall(reason); });
    if (found.rules.empty()) {
        return "The kernel's routes keep it out.\n" + others + "# On " + host.name +
               ", look at them:\nip rule; ip route show table all; sysctl -a | grep rp_filter\n";
    }
    std::string out = "Let it in before the rule that drops it.\n# On " + host.name + ", as root:\n";
    const auto in_all = [&](const char* word) {
        return std::all_of(found.rules.begin(), found.rules.end(),
                           [&](const std::string& place) { return place.find(word) != std::string::npos; });
    };
    const auto keeper = rulesKeeper(host.boot);
    const bool of_ufw = keeper == RulesKeeper::ufw && in_all(" ufw");
    for (const auto& source : found.from) {
        out += of_ufw ? ufwCommand(flow, source) : "";
    }
    if (of_ufw) {
        return out;
    }
    bool legacy = false;
    for (const auto& place : found.rules) {
        legacy = legacy || place.starts_with("legacy ");
        for (const auto& source : found.from) {
            out +=
                place.starts_with("legacy ") ? legacyCommand(flow, source) : nftCommand(place, flow, source);
        }
    }
    if (keeper == RulesKeeper::netfilter_persistent) {
        return out + "# Keep it over a reboot:\nnetfilter-persistent save\n";
    }
    if (keeper == RulesKeeper::nftables && !legacy && !host.boot.sources.empty()) {
        return out + "# Keep it over a reboot:\n" + keepInNftablesConf(found, flow);
    }
    return out +
           "# It is gone after a reboot: put it into the configuration that these rules come from, too.\n";
}

void judgeFlow(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
               const Flow& flow, Judgement& out) {
    const auto name = flow.name();
    const FindingKey key{"F9", name + "@" + host.name};
    const auto found = blockedOf(ruleset, context, host, flow);
    if (found.from.empty()) {
        if (found.known) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::high;
    finding.confidence = Confidence::suspected;
    finding.title = host.name + " keeps out what the site needs: " + name + " (" + flow.why + ")";
    addParts(name, found.from, finding.parts);
    const auto failure = failureText(found.packets);
    finding.evidence.push_back(
        {"ruleset of " + host.name, "blocks " + name + " from " + rangesText(found.from) + ": " +
                                        (failure.empty() ? "" : failure + " by ") + joined(found.rules)});
    for (const auto& attempt : host.attempts) {
        const auto source = reach::Address::parse(attempt.source);
        const bool concerned = attempt.port == flow.port && source &&
                               attempt.at >= context.rules_since(host.name) &&
                               std::any_of(found.from.begin(), found.from.end(),
                                           [&](const auto& range) { return range.contains(*source); });
        if (!concerned) {
            continue;
        }
        const auto shown = shownBy(attempt.result, attempt.control_ok);
        finding.evidence.push_back(
            {"attempt from " + attempt.from, attempt.source + " to " + endpointText(attempt) + ": " +
                                                 evidence::connectResultName(attempt.result)});
        if (shown == Shown::silent || shown == Shown::refused) {
            finding.confidence = Confidence::confirmed;
        } else if (shown == Shown::open && !opensFirst(found.packets)) {
            finding.not_assessed.emplace_back(
                "why the connection came about: it contradicts the ruleset (XDP, another "
                "namespace, or a fault of the evaluation)");
        }
    }
    finding.evidence.push_back({"what the site needs", name + " of " + host.name + ": " + flow.why});
    finding.not_assessed.emplace_back("flows that no agent sees and that the configuration does not declare");
    finding.remedy = remedyFor(host, found, flow);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeBlocked(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        for (const auto& flow : neededFlows(context, host, FlowScope::site).list) {
            if (!flow.from.empty()) {
                judgeFlow(context, host, ruleset, flow, out);
            }
        }
    });
}

}  // namespace lapwing::analysis::exposure
