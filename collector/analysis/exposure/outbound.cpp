#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

using reach::Verdict;

/// The most open result of a connection from the host to a port and an address that no rule names.
std::optional<reach::Result> toAnywhere(const evidence::Host& host, const reach::Ruleset& ruleset) {
    std::optional<reach::Result> worst;
    for (const auto& held : host.addresses) {
        reach::Packet packet;
        packet.outgoing = true;
        packet.source = reach::AddressRange::of(held.address);
        packet.destination = ruleset.stranger(held.address.family);
        packet.port = ruleset.unusedPort({});
        packet.interface = held.interface;
        auto result = ruleset.evaluate(packet);
        if (!worst || result.verdict == Verdict::must_reach ||
            (result.verdict == Verdict::may && worst->verdict == Verdict::must_block)) {
            worst = std::move(result);
        }
    }
    return worst;
}

void judgeHost(const Context& context, const evidence::Host& host, const reach::Ruleset& ruleset,
               Judgement& out) {
    const FindingKey key{"F13", host.name};
    const auto worst = toAnywhere(host, ruleset);
    if (!worst || worst->verdict == Verdict::may) {
        return;
    }
    if (worst->verdict == Verdict::must_block) {
        conclude(out, key, std::nullopt);
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

void judgeOutbound(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(context, host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
