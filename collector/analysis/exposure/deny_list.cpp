#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

struct BlockedPorts {
    std::vector<std::string> names;  ///< "tcp/23"
    std::set<std::string> rules;
};

/// Ports that a rule names or on which the host listens, and that a stranger does not reach over IPv4.
BlockedPorts blockedPorts(const evidence::Host& host, const reach::Ruleset& ruleset) {
    auto ports = ruleset.namedPorts();
    for (const auto& listener : host.listeners) {
        if (listener.isTcp()) {
            ports.insert(listener.port);
        }
    }
    BlockedPorts out;
    for (const int port : ports) {
        for (auto& packet : packetsTo(host, reach::Family::ipv4, port)) {
            packet.source = reach::AddressRange::of(ruleset.stranger(reach::Family::ipv4));
            const auto result = ruleset.evaluate(packet);
            if (result.verdict == reach::Verdict::must_block) {
                out.names.push_back("tcp/" + std::to_string(port));
                out.rules.insert(result.decided_by.begin(), result.decided_by.end());
                break;
            }
        }
    }
    return out;
}

void judgeHost(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
               Judgement& out) {
    const FindingKey key{"F8", host.name};
    const auto denies = host.denies.find(reach::Family::ipv4);
    if (denies == host.denies.end()) {
        return;
    }
    const auto blocked = denies->second ? BlockedPorts{} : blockedPorts(host, ruleset);
    if (blocked.names.empty()) {
        conclude(out, key, std::nullopt);
        return;
    }
    Finding finding;
    finding.severity = Severity::medium;
    finding.title = "The firewall on " + host.name + " blocks some ports and lets every other connection in";
    finding.confidence = Confidence::suspected;
    finding.evidence.push_back(
        {"ruleset of " + host.name, "blocks " + joined(blocked.names) + " (" +
                                        joined({blocked.rules.begin(), blocked.rules.end()}) +
                                        "), and accepts a port that no rule names" + managersText(ruleset)});
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
        firewallRemedy(context, host, "Drop by default on " + host.name + ", and name what may come in.");
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeDenyList(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(context, host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
