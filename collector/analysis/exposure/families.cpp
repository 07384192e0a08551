#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

using reach::Family;
using reach::Verdict;

/// The most open verdict for a stranger at that port, over all addresses of the host.
std::optional<Verdict> strangersVerdict(const reach::Ruleset& ruleset, const evidence::Host& host,
                                        Family family, const evidence::Listener& listener) {
    std::optional<Verdict> out;
    evidence::Listener any = listener;
    any.address = family == Family::ipv4 ? "0.0.0.0" : "::";
    for (auto& packet : packetsTo(host, family, listener.port, listener.isWildcard() ? &any : &listener)) {
        packet.source = reach::AddressRange::of(ruleset.stranger(family));
        const auto verdict = ruleset.evaluate(packet).verdict;
        if (!out || verdict == Verdict::must_reach ||
            (verdict == Verdict::may && *out == Verdict::must_block)) {
            out = verdict;
        }
    }
    return out;
}

void judgeHost(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
               Judgement& out) {
    const FindingKey key{"F6", host.name};
    if (!host.listeners_known) {
        return;
    }
    std::set<int> open;
    bool known = true;
    for (const auto* listener : listenersOf(host, [](const evidence::Listener& one) {
             return one.family == Family::ipv6 && one.isWildcard();
         })) {
        const auto v4 = strangersVerdict(ruleset, host, Family::ipv4, *listener);
        const auto v6 = strangersVerdict(ruleset, host, Family::ipv6, *listener);
        known = known && v4 != Verdict::may && v6 != Verdict::may;
        if (v4 == Verdict::must_block && v6 == Verdict::must_reach) {
            open.insert(listener->port);
        }
    }
    if (open.empty()) {
        if (known) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::high;
    finding.confidence = Confidence::suspected;
    std::vector<std::string> words;
    words.reserve(open.size());
    for (const int port : open) {
        words.push_back("tcp/" + std::to_string(port));
        finding.parts.push_back({words.back()});
    }
    finding.title = "What " + host.name + " closes over IPv4 is open over IPv6: " + joined(words);
    finding.evidence.push_back({"ruleset of " + host.name, "from anywhere, " + joined(words) +
                                                               ": blocked over IPv4, accepted over IPv6"});
    finding.evidence.push_back(
        {"sockets of " + host.name, joined(words) + " take IPv6 on every address (::)"});
    bool tried = false;
    for (const auto& attempt : host.attempts) {
        const auto address = reach::Address::parse(attempt.address);
        if (!open.contains(attempt.port) || !address || address->family != Family::ipv6 ||
            attempt.at < context.rules_since(host.name)) {
            continue;
        }
        tried = true;
        finding.evidence.push_back(
            {"attempt from " + attempt.from, attempt.source + " to " + endpointText(attempt) + ": " +
                                                 evidence::connectResultName(attempt.result)});
        if (attempt.result == evidence::ConnectResult::open) {
            finding.confidence = Confidence::confirmed;
        }
    }
    finding.not_assessed = notAssessedFromInside();
    if (!tried) {
        finding.not_assessed.emplace_back("not tried over IPv6: no agent names an IPv6 address of " +
                                          host.name);
    }
    finding.remedy = firewallRemedy(context, host, "Filter IPv4 and IPv6 alike: these rules hold for both.");
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeFamilies(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(context, host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
