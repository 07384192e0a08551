#include <algorithm>

#include "collector/analysis/exposure/exposed.h"

namespace lapwing::analysis::exposure {

namespace {

struct Forwarded {
    std::string to;  ///< "172.17.0.2:3306"
    std::string interface;
    std::vector<reach::AddressRange> reach;
    std::vector<std::string> rules;
};

/// What a stranger gets to by way of a changed destination; "" in `to` if nothing.
Forwarded forwardedBy(const reach::Ruleset& ruleset, const evidence::Host& host, int port,
                      const std::vector<reach::AddressRange>& allowed, bool& known) {
    Forwarded out;
    for (const auto family : {reach::Family::ipv4, reach::Family::ipv6}) {
        for (auto& packet : packetsTo(host, family, port)) {
            const auto everybody = packet.source;
            packet.source = reach::AddressRange::of(ruleset.stranger(family));
            const auto result = ruleset.evaluate(packet);
            known = known && (result.verdict != reach::Verdict::may || !result.forwarded);
            if (!result.forwarded || result.verdict != reach::Verdict::must_reach) {
                continue;
            }
            packet.source = everybody;
            const auto sources = ruleset.sources(packet);
            if (!sources) {
                continue;
            }
            auto without = allowed;
            const auto impossible = impossibleSources(family);
            without.insert(without.end(), impossible.begin(), impossible.end());
            const auto left = reach::subtract(sources->reach, without);
            if (!left.empty()) {
                out.to = result.translated_to;
                out.interface = packet.interface;
                out.rules = result.decided_by;
                out.reach.insert(out.reach.end(), left.begin(), left.end());
            }
        }
    }
    return out;
}

std::string remedyFor(const Forwarded& found, const std::vector<reach::AddressRange>& allowed) {
    const auto colon = found.to.rfind(':');
    const bool v6 = found.to.starts_with('[');
    const auto address = v6 ? found.to.substr(1, colon - 2) : found.to.substr(0, colon);
    std::vector<std::string> from;
    for (const auto& range : allowed) {
        if ((range.family == reach::Family::ipv6) == v6) {
            from.push_back(range.toString());
        }
    }
    std::string except;
    for (const auto& each : from) {
        except += (except.empty() ? "" : ", ") + each;
    }
    const std::string ip = v6 ? "ip6" : "ip";
    return "Publish it on 127.0.0.1 only (`ports: [\"127.0.0.1:PORT:PORT\"]`), or drop it on the forward "
           "path. Save as "
           "/etc/nftables.d/lapwing-forward.nft, load with: nft -f /etc/nftables.d/lapwing-forward.nft\n"
           "table inet lapwing_forward\ndelete table inet lapwing_forward\ntable inet lapwing_forward {\n"
           "  chain forward {\n    type filter hook forward priority -10; policy accept;\n    iifname \"" +
           found.interface + "\" " + ip + " daddr " + address + " tcp dport " + found.to.substr(colon + 1) +
           (except.empty() ? "" : " " + ip + " saddr != { " + except + " }") +
           " ct state new drop\n  }\n}\n" +
           (except.empty()
                ? "# Name in site.allow (tcp/PORT) who should reach it: the rule then lets them in.\n"
                : "");
}

void judgePort(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset, int port,
               Judgement& out) {
    const auto name = "tcp/" + std::to_string(port);
    const FindingKey key{"F7", name + "@" + host.name};
    const auto allowed = declaredFor(context.site, {name});
    bool known = true;
    const auto found = forwardedBy(ruleset, host, port, allowed, known);
    if (found.to.empty()) {
        if (known) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::high;
    finding.confidence = Confidence::suspected;
    finding.title =
        name + " of " + host.name + " is sent on to " + found.to + ", past the rules that guard the host";
    finding.evidence.push_back(
        {"ruleset of " + host.name, "lets connections to " + name + " in from " + rangesText(found.reach) +
                                        " and sends them to " + found.to +
                                        " without passing input: " + joined(found.rules)});
    for (const auto& attempt : host.attempts) {
        if (attempt.port == port && attempt.at >= context.rules_since(host.name)) {
            finding.evidence.push_back({"attempt from " + attempt.from,
                                        attempt.source + (attempt.second ? " (a second address)" : "") +
                                            " to " + attempt.address + ":" + std::to_string(port) + ": " +
                                            evidence::connectResultName(attempt.result)});
            if (attempt.second && attempt.result == evidence::ConnectResult::open) {
                finding.confidence = Confidence::confirmed;
            }
        }
    }
    finding.not_assessed = notAssessedFromInside();
    if (finding.confidence != Confidence::confirmed) {
        finding.not_assessed.emplace_back(
            "whether something answers there: agents try the ports on which the host itself listens");
    }
    finding.remedy = remedyFor(found, allowed);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeForwarded(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        const auto* ruleset = rulesetOf(context, host);
        if (ruleset == nullptr || !ruleset->translates()) {
            continue;
        }
        for (const auto port : ruleset->namedPorts()) {
            judgePort(context, host, *ruleset, port, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
