#include "collector/analysis/exposure/exposed.h"

namespace lapwing::analysis::exposure {

namespace {

void judgeHost(const evidence::Host& host, const reach::Ruleset& ruleset, Judgement& out) {
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
    finding.evidence.push_back(
        {"nft list ruleset on " + host.name, "has rules as well" + managersText(ruleset)});
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

}  // namespace

void judgeMixed(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
