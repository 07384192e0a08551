#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

using reach::Verdict;

std::string madeBy(const reach::Ruleset& ruleset) {
    const auto managers = ruleset.managers();
    return managers.empty() ? "" : " (rules of " + joined(managers) + ")";
}

void judgeDenyListOf(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
                     Judgement& out) {
    const FindingKey key{"F8", host.name};
    const auto denies = host.denies.find(reach::Family::ipv4);
    if (denies == host.denies.end()) {
        return;
    }
    auto ports = ruleset.namedPorts();
    for (const auto& listener : host.listeners) {
        if (listener.isTcp()) {
            ports.insert(listener.port);
        }
    }
    std::vector<std::string> blocked;
    std::set<std::string> rules;
    for (const int port : denies->second ? std::set<int>{} : ports) {
        for (auto& packet : packetsTo(host, reach::Family::ipv4, port)) {
            packet.source = reach::AddressRange::of(ruleset.stranger(reach::Family::ipv4));
            const auto result = ruleset.evaluate(packet);
            if (result.verdict == Verdict::must_block) {
                blocked.push_back("tcp/" + std::to_string(port));
                rules.insert(result.decided_by.begin(), result.decided_by.end());
                break;
            }
        }
    }
    if (blocked.empty()) {
        conclude(out, key, std::nullopt);
        return;
    }
    Finding finding;
    finding.severity = Severity::medium;
    finding.title = "The firewall on " + host.name + " closes what somebody thought of, and lets the rest in";
    finding.confidence = Confidence::suspected;
    finding.evidence.push_back({"ruleset of " + host.name,
                                "blocks " + joined(blocked) + " (" + joined({rules.begin(), rules.end()}) +
                                    "), and accepts a port that no rule names" + madeBy(ruleset)});
    for (const auto& canary : host.canaries) {
        if (canary.at < context.rules_since(host.name)) {
            continue;
        }
        finding.evidence.push_back(
            {"canary from " + canary.from, "a listener on a random port, tried from " + canary.source + ": " +
                                               evidence::connectResultName(canary.result)});
        if (canary.result == evidence::ConnectResult::open) {
            finding.confidence = Confidence::confirmed;
        }
    }
    finding.not_assessed = notAssessedFromInside();
    finding.remedy =
        "Drop by default, and name what may come in. This ruleset does:\n" + firewallRemedy(context, host);
    conclude(out, key, std::move(finding));
}

void judgeMixedOf(const evidence::Host& host, const reach::Ruleset& ruleset, Judgement& out) {
    const FindingKey key{"F12", host.name};
    if (!ruleset.mixesLegacy()) {
        conclude(out, key, std::nullopt);
        return;
    }
    Finding finding;
    finding.severity = Severity::medium;
    finding.confidence = Confidence::confirmed;
    finding.title = "Rules of legacy iptables and of nftables filter on " + host.name + " side by side";
    finding.evidence.push_back(
        {"iptables-legacy-save on " + host.name, "has rules, which `nft list ruleset` does not show"});
    finding.evidence.push_back({"nft list ruleset on " + host.name, "has rules as well" + madeBy(ruleset)});
    finding.not_assessed = {"which of the two somebody means to keep"};
    finding.remedy =
        "Both are in force: what one of them drops is dropped. Keep one. To carry the legacy rules over, as "
        "root:\n"
        "iptables-legacy-save > /root/legacy.v4 && iptables-restore-translate -f /root/legacy.v4 > "
        "/root/legacy.nft\n"
        "(read it: a line that it could not translate is a comment), nft -f /root/legacy.nft, then, once "
        "that is loaded:\n"
        "for t in filter nat mangle raw; do iptables-legacy -t $t -F; iptables-legacy -t $t -X; done; "
        "iptables-legacy -P INPUT ACCEPT; iptables-legacy -P FORWARD ACCEPT\n"
        "and the same with ip6tables. `update-alternatives --set iptables /usr/sbin/iptables-nft` keeps "
        "programs from "
        "making new ones.";
    conclude(out, key, std::move(finding));
}

void judgeOutboundOf(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
                     Judgement& out) {
    const FindingKey key{"F13", host.name};
    std::optional<reach::Result> worst;
    for (const auto& own : host.addresses) {
        reach::Packet packet;
        packet.outgoing = true;
        packet.source = reach::AddressRange::of(own.address);
        packet.destination = ruleset.stranger(own.address.family);
        packet.port = ruleset.unusedPort({});
        packet.interface = own.interface;
        auto result = ruleset.evaluate(packet);
        if (!worst || result.verdict == Verdict::must_reach ||
            (result.verdict == Verdict::may && worst->verdict == Verdict::must_block)) {
            worst = std::move(result);
        }
    }
    if (!worst || worst->verdict != Verdict::must_reach) {
        if (worst && worst->verdict == Verdict::must_block) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::low;
    finding.confidence = Confidence::suspected;
    finding.title = "Whatever runs on " + host.name + " may connect to anywhere";
    finding.evidence.push_back({"ruleset of " + host.name, "lets a connection out to any address and port (" +
                                                               joined(worst->decided_by) + ")"});
    finding.not_assessed = notAssessedFromInside();
    finding.not_assessed.emplace_back(
        "whether a connection gets through: agents connect to nobody but their peers");
    finding.remedy = outboundRemedy(context, host);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeDenyList(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (const auto* ruleset = rulesetOf(context, host)) {
            judgeDenyListOf(context, host, *ruleset, out);
        }
    }
}

void judgeMixed(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (const auto* ruleset = rulesetOf(context, host)) {
            judgeMixedOf(host, *ruleset, out);
        }
    }
}

void judgeOutbound(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (const auto* ruleset = rulesetOf(context, host)) {
            judgeOutboundOf(context, host, *ruleset, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
