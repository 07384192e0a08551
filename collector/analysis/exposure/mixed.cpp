#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/loading.h"

namespace lapwing::analysis::exposure {

namespace {

/// The translated rules are in tables of their own, so that no rule of the present tables comes before them.
std::string remedyFor(const evidence::Host& host) {
    const std::string table = "legacy";
    const auto file = nftFileOf(table);
    const std::string families = "for v in '' 6; do\n";
    return "Both are in force: a packet that either of them drops is dropped. Keep one. These commands carry "
           "the "
           "legacy rules over to nftables, which then treats each packet as both do now.\n"
           "# 1. On " +
           host.name +
           ", as root. This step changes nothing yet:\n"
           "mkdir -p /etc/nftables.d\n" +
           families +
           "    ip${v}tables-legacy-save >/root/legacy$v.rules\n"
           "    ip${v}tables-restore-translate -f /root/legacy$v.rules\n"
           "done | sed -E 's/^(add (table|chain|rule) ip6?) /\\1 legacy_/' >" +
           file + "\n# It prints the rules that have no translation. If there are any, write them into " +
           file + " by hand before you go on:\ngrep '^# -' " + file + "\nnft -c -f " + file +
           "\n# 2. Load them, and then remove the legacy ones. The site answers all the time:\nnft -f " +
           file + " && " + families +
           "    sed -E '/^-/d; /^:[^ ]+ -/d; s/^(:[^ ]+) DROP/\\1 ACCEPT/' /root/legacy$v.rules | "
           "ip${v}tables-legacy-restore\ndone\n"
           "# 3. Keep them after a reboot. If a unit or script loads the legacy rules at boot, take them out "
           "there:\n" +
           atBoot(host.boot, table) +
           "# Programs that call `iptables` then make rules of nftables, too:\n"
           "update-alternatives --set iptables /usr/sbin/iptables-nft\n"
           "update-alternatives --set ip6tables /usr/sbin/ip6tables-nft\n";
}

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
    finding.not_assessed = {"which of the two the administrator means to keep"};
    finding.remedy = remedyFor(host);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeMixed(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
