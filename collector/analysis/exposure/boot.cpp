#include <algorithm>
#include <iterator>

#include "collector/analysis/exposure/compare.h"

namespace lapwing::analysis::exposure {

namespace {

constexpr std::size_t kMostLines = 12;
constexpr const char* kPersistent = "netfilter-persistent.service";
constexpr const char* kNftables = "nftables.service";

/// Programs that add their rules to those of a file each time they start, and the tables of their own.
constexpr const char* kAdders[] = {"Docker", "fail2ban", "libvirt", "Kubernetes", "Podman"};
constexpr const char* kTablesOfAdders[] = {" docker-bridges", " f2b-table", " libvirt_network", " kube-proxy",
                                           " netavark"};

bool isOfAdder(const std::string& table) {
    return std::any_of(std::begin(kTablesOfAdders), std::end(kTablesOfAdders),
                       [&](const auto* name) { return table.ends_with(name); });
}

std::vector<std::string> addedLater(const reach::Ruleset& ruleset) {
    std::vector<std::string> out;
    for (const auto& manager : ruleset.managers()) {
        if (std::find(std::begin(kAdders), std::end(kAdders), manager) != std::end(kAdders)) {
            out.push_back(manager);
        }
    }
    return out;
}

std::string saveByIptables(const evidence::Host& host, const reach::Ruleset& live) {
    const auto loads = [&](const char* unit) { return host.boot.sources.find(unit) != std::string::npos; };
    std::string out =
        loads(kPersistent) ? "" : "DEBIAN_FRONTEND=noninteractive apt-get install -y iptables-persistent\n";
    out.append("netfilter-persistent save\nsystemctl enable ").append(kPersistent).append("\n");
    if (loads(kNftables)) {
        out.append("systemctl disable ").append(kNftables).append("\n");
    }
    return out + (live.mixesLegacy()
                      ? "# It saves one kind of the rules alone: remove the legacy rules first.\n"
                      : "");
}

std::string saveByNft(const evidence::Host& host, const reach::Ruleset& live) {
    const auto& sources = host.boot.sources;
    const bool persistent = sources.find(kPersistent) != std::string::npos;
    std::string unit = kNftables;
    std::string file = "/etc/nftables.conf";
    const auto space = sources.find(' ');
    if (space != std::string::npos && sources.find(", ") == std::string::npos && !persistent) {
        unit = sources.substr(0, space);
        file = sources.substr(space + 1);
    }
    std::string list = " nft -s list ruleset;";
    std::string left_out;
    if (const auto programs = addedLater(live); !programs.empty()) {
        list.clear();
        for (const auto& table : live.nativeTables()) {
            list += isOfAdder(table) ? "" : " nft -s list table " + table + ";";
        }
        left_out = "# Left out are the rules of iptables: " + joined(programs) + " makes its own again.\n";
    }
    std::string out = "{ echo '#!/usr/sbin/nft -f'; echo 'flush ruleset';" + list + " } > " + file + ".new\n";
    out += "nft -c -f " + file + ".new && cp -a --backup=numbered " + file + ".new " + file + "\n";
    out += "systemctl enable " + unit + "\n";
    out += persistent ? std::string("systemctl disable ") + kPersistent + "\n" : "";
    return out + left_out;
}

/// How to keep the present rules: with the unit that loads rules at boot already, where it can hold them.
std::string keepRules(const evidence::Host& host, const reach::Ruleset& live) {
    std::string out =
        "Keep the rules of now for the next boot, if they are the ones you want. Nothing changes before it.\n"
        "# On " +
        host.name + ", as root:\n";
    out +=
        live.nativeTables().empty() && live.hasRules() ? saveByIptables(host, live) : saveByNft(host, live);
    if (!host.boot.sources.empty()) {
        out += "# If you want the rules of the boot instead, load them now: " + loadAgain(host) + "\n";
    }
    return out;
}

std::vector<std::string> bootNotAssessed() {
    return {
        "rules that configuration management or a unit that Lapwing does not recognise loads after the boot"};
}

std::string loadedBy(const evidence::Host& host) {
    return host.boot.sources.empty() ? "no enabled unit loads any rules" : "rehearsed: " + host.boot.sources;
}

/// An unknown boot configuration is a finding, too.
Finding untold(const evidence::Host& host) {
    Finding finding;
    finding.severity = Severity::info;
    finding.confidence = Confidence::unknown;
    finding.title = "Whether the firewall of " + host.name + " survives a reboot is not known";
    finding.evidence.push_back({"snapshot of " + host.name, host.boot.unknown});
    finding.remedy =
        "On " + host.name +
        ": load the rules from /etc/nftables.conf by nftables.service, which can be rehearsed; or "
        "reboot it at a quiet time and compare `nft list ruleset` before and after.";
    finding.not_assessed = bootNotAssessed();
    return finding;
}

std::optional<Finding> compared(const evidence::Host& host, const reach::Ruleset& live,
                                const reach::Ruleset& rehearsed, const Openings& opened,
                                const LostFlows& lost) {
    const bool differs = !opened.list.empty() || !lost.list.empty();
    const bool forgotten = live.hasRules() && !rehearsed.hasRules() && addedLater(live).empty();
    if (!differs && !forgotten) {
        return std::nullopt;
    }
    Finding finding;
    finding.severity = differs ? Severity::high : Severity::medium;
    finding.confidence = host.boot.sources.empty() ? Confidence::suspected : Confidence::confirmed;
    finding.title = opened.list.empty() && !lost.list.empty()
                        ? "After a reboot " + host.name + " would keep out what the site needs"
                        : "The firewall of " + host.name + " would not survive a reboot";
    finding.evidence.push_back({"boot configuration of " + host.name, loadedBy(host)});
    for (const auto& fault : host.boot.faults) {
        finding.evidence.push_back({"boot configuration of " + host.name, fault});
    }
    for (const auto& one : opened.list) {
        finding.parts.push_back({one.what});
    }
    for (const auto& one : lost.list) {
        finding.parts.push_back({"not " + one.what});
    }
    for (std::size_t i = 0; i < std::min(opened.list.size(), kMostLines); ++i) {
        const auto& one = opened.list[i];
        finding.evidence.push_back({"rulesets of " + host.name + ", now and rehearsed",
                                    one.what + ": blocked now (" + joined(one.before.decided_by) +
                                        "), reachable after a reboot (" + joined(one.after.decided_by) +
                                        ")"});
    }
    for (std::size_t i = 0; i < std::min(lost.list.size(), kMostLines); ++i) {
        const auto& one = lost.list[i];
        finding.evidence.push_back(
            {"rulesets of " + host.name + ", now and rehearsed",
             one.what + ": let in now, blocked after a reboot (" + joined(one.rules) + ")"});
    }
    if (!differs) {
        finding.evidence.push_back(
            {"ruleset of " + host.name, "there are rules now, and none after a reboot"});
    }
    finding.not_assessed = bootNotAssessed();
    if (const auto programs = addedLater(live); !programs.empty()) {
        finding.not_assessed.push_back("what " + joined(programs) + " adds when it starts");
    }
    finding.remedy = keepRules(host, live);
    return finding;
}

void judgeHost(const Context& context, const evidence::Host& host, const reach::Ruleset& live,
               Judgement& out) {
    const FindingKey key{"F10", host.name};
    const auto& boot = host.boot;
    // These units store their rules themselves and load them at every start.
    if (!boot.makers.empty()) {
        conclude(out, key, std::nullopt);
        return;
    }
    if (!boot.unknown.empty()) {
        conclude(out, key, live.hasRules() ? std::optional(untold(host)) : std::nullopt);
        return;
    }
    const auto* rehearsed = context.other_ruleset ? context.other_ruleset(host, boot.digest) : nullptr;
    if (rehearsed == nullptr || !host.listeners_known) {
        return;
    }
    const auto opened = openings(context, host, live, *rehearsed);
    const auto lost = lostFlows(context, host, live, *rehearsed);
    auto finding = compared(host, live, *rehearsed, opened, lost);
    if (finding || (opened.known && lost.known)) {
        conclude(out, key, std::move(finding));
    }
}

}  // namespace

void judgeBoot(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(context, host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
