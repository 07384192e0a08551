#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/loading.h"
#include "collector/analysis/exposure/remedy.h"
#include "common/endpoint.h"

namespace lapwing::analysis::exposure {

namespace {

struct Forwarded {
    std::string to;  ///< "172.17.0.2:3306"
    std::string interface;
    std::vector<reach::AddressRange> reach;
    std::vector<std::string> rules;
};

/// Where a stranger's packets go after a change of their destination; `to` is "" if no such packet gets
/// through.
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
            const auto left = reach::subtract((*sources)->reach, without);
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

/// Sources from which connections to that port of the host succeed now, by attempts from main addresses.
std::vector<reach::AddressRange> reachingNow(const evidence::Host& host, int port) {
    std::vector<reach::AddressRange> out;
    for (const auto& attempt : host.attempts) {
        const auto source = reach::Address::parse(attempt.source);
        if (source && attempt.port == port && !attempt.second &&
            attempt.result == evidence::ConnectResult::open) {
            out.push_back(reach::AddressRange::of(*source));
        }
    }
    evidence::sortUnique(out);
    return out;
}

std::string remedyFor(const evidence::Host& host, int port, const Forwarded& found,
                      std::vector<reach::AddressRange> allowed) {
    const bool declared = !allowed.empty();
    std::string out =
        declared ? ""
                 : incompleteLine({"who uses it: connections that are sent on do not show on " + host.name});
    out += "Publish it on 127.0.0.1 only (`ports: [\"127.0.0.1:PORT:PORT\"]`)";
    const auto to = Endpoint::parse(found.to);
    const auto address = to ? to->address() : std::nullopt;
    if (!address) {
        return out + ".\n";
    }
    const auto reaching = reachingNow(host, port);
    allowed.insert(allowed.end(), reaching.begin(), reaching.end());
    out += ", or drop it on the forward path:\n";
    out +=
        declared ? "" : "# Name in site.allow (tcp/PORT) who should reach it: the rule then lets them in.\n";
    return out + loadingSteps(host, forwardTable(found.interface, *address, to->port, allowed));
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
                                            " to " + endpointText(attempt) + ": " +
                                            evidence::connectResultName(attempt.result)});
            if (attempt.second && attempt.result == evidence::ConnectResult::open) {
                finding.confidence = Confidence::confirmed;
            }
        }
    }
    addParts(name, found.reach, finding.parts);
    finding.not_assessed = notAssessedFromInside();
    if (finding.confidence != Confidence::confirmed) {
        finding.not_assessed.emplace_back(
            "whether something answers there: agents try the ports on which the host itself listens");
    }
    finding.remedy = remedyFor(host, port, found, allowed);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeForwarded(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        if (!ruleset.translates()) {
            return;
        }
        for (const auto port : ruleset.namedPorts()) {
            judgePort(context, host, ruleset, port, out);
        }
    });
}

}  // namespace lapwing::analysis::exposure
