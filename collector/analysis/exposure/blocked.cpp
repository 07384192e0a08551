#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

struct Blocked {
    std::vector<reach::AddressRange> from;
    std::vector<std::string> rules;
    bool known = true;
};

/// Those of the flow's sources that the ruleset keeps out.
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
            }
        }
    }
    std::sort(out.from.begin(), out.from.end(), [](const auto& a, const auto& b) {
        return std::tie(a.family, a.low, a.high) < std::tie(b.family, b.low, b.high);
    });
    out.from.erase(std::unique(out.from.begin(), out.from.end()), out.from.end());
    out.rules = {rules.begin(), rules.end()};
    return out;
}

/// One command for each rule or policy that is in the way.
std::string remedyFor(const Blocked& found, const Flow& flow) {
    std::string out =
        "Let it in before the rule that drops it. As root, and in the file that the rules come from:\n";
    for (const auto& place : found.rules) {
        const auto handle = place.find(" handle ");
        const auto policy = place.find(" policy ");
        const auto chain = place.substr(0, std::min(handle, policy));
        for (const auto& source : found.from) {
            const bool v4 = source.family == reach::Family::ipv4;
            const auto port = std::to_string(flow.port);
            const bool vrrp = flow.protocol == reach::Protocol::vrrp;
            if (place.starts_with("legacy ")) {
                out.append(v4 ? "iptables" : "ip6tables")
                    .append("-legacy -I INPUT -s ")
                    .append(source.toString());
                out.append(vrrp ? " -p 112" : " -p tcp --dport " + port).append(" -j ACCEPT\n");
                continue;
            }
            if (handle != std::string::npos) {
                out.append("nft insert rule ")
                    .append(chain)
                    .append(" handle ")
                    .append(place.substr(handle + 8));
            } else {
                out.append("nft add rule ").append(chain);
            }
            out.append(v4 ? " ip" : " ip6").append(" saddr ").append(source.toString());
            out.append(" ").append(matchText(flow)).append(" accept\n");
        }
    }
    return out;
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
    finding.evidence.push_back(
        {"ruleset of " + host.name,
         "blocks " + name + " from " + rangesText(found.from) + ": " + joined(found.rules)});
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
            {"attempt from " + attempt.from, attempt.source + " to " + attempt.address + ":" +
                                                 std::to_string(attempt.port) + ": " +
                                                 evidence::connectResultName(attempt.result)});
        if (shown == Shown::silent || shown == Shown::refused) {
            finding.confidence = Confidence::confirmed;
        } else if (shown == Shown::open) {
            finding.not_assessed.emplace_back(
                "why the connection came about: it contradicts the ruleset (XDP, another "
                "namespace, or a fault of the evaluation)");
        }
    }
    finding.evidence.push_back({"what the site needs", name + " of " + host.name + ": " + flow.why});
    finding.not_assessed.emplace_back("flows that no agent sees and that the configuration does not declare");
    finding.remedy = remedyFor(found, flow);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeBlocked(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        const auto* ruleset = rulesetOf(context, host);
        if (ruleset == nullptr) {
            continue;
        }
        for (const auto& flow : neededFlows(context, host, false)) {
            if (!flow.from.empty()) {
                judgeFlow(context, host, *ruleset, flow, out);
            }
        }
    }
}

}  // namespace lapwing::analysis::exposure
