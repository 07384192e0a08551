#include "collector/analysis/exposure/loading.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "collector/analysis/exposure/keeper_rules.h"

namespace lapwing::analysis::exposure {

namespace {

/// The three steps and their words. `undo` takes back what `attempt` does, at once or after five minutes.
struct Steps {
    std::string prepare;  ///< changes nothing that filters
    std::string track;    ///< lets the kernel track connections; "" where other rules do already
    std::string untrack;
    std::string undo;  ///< the arguments of systemd-run
    std::string attempt;
    std::string keep;
};

std::string unitOf(const std::string& table) {
    auto out = table;
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

/// A connection that the kernel does not track is new to the rules with the next packet, also if the other
/// end sends it: a replica would hear nothing more of its primary until slave_net_timeout ends. 40 s hold a
/// heartbeat of replication, every 30 s by default.
std::string tracking(const Steps& steps) {
    if (steps.track.empty()) {
        return "";
    }
    return "# Let the kernel learn the connections that are open: the rules would stall them else.\n"
           "[ \"$(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0)\" -gt 0 ] || {\n" +
           steps.track + "    sleep 40\n}\n";
}

std::string text(const std::string& host, const NftTable& table, const Steps& steps) {
    const auto unit = unitOf(table.name) + "-undo";
    std::string out =
        "# 1. On " + host + ", as root. This step filters nothing yet:\n" + steps.prepare + tracking(steps);
    out +=
        "# 2. Try the rules. After five minutes the old ones come back by themselves, unless you do step "
        "3:\n";
    out += "systemd-run --collect --unit=" + unit + " --on-active=5min --timer-property=AccuracySec=1s " +
           steps.undo + " &&\n" + steps.attempt + steps.untrack;
    out += "# 3. Open another ssh session to " + host +
           " and look at the site. If both work, keep the rules, also after a reboot; if not, wait:\n";
    return out + "systemctl stop " + unit + ".timer\n" + steps.keep;
}

std::string hereDocument(const std::string& command, const std::string& body) {
    return command + " <<'END'\n" + body + "END\n";
}

/// Loads nft's file at boot by nftables.service.
std::string includeInNftablesConf(const evidence::BootRules& boot, const std::string& table) {
    const auto file = nftFileOf(table);
    const bool loaded = boot.sources.find("nftables.service") != std::string::npos;
    std::string out =
        loaded ? "" : "# /etc/nftables.conf becomes the file of the boot: look at what else it holds.\n";
    out += "grep -qsF " + file + " /etc/nftables.conf || {\n";
    out += "    cp -a --backup=numbered /etc/nftables.conf /etc/nftables.conf.old\n";
    out += "    printf '\\ninclude \"" + file + "\"\\n' >>/etc/nftables.conf\n}\n";
    return out + "nft -c -f /etc/nftables.conf && systemctl enable nftables.service\n";
}

/// Loads nft's file at boot by a unit of its own, after the programs that keep the host's other rules.
std::string ownUnit(const std::string& table) {
    const auto unit = unitOf(table) + "-rules.service";
    const std::string body =
        "[Unit]\nDescription=Packet filter rules of " + nftFileOf(table) +
        "\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=network-pre.target shutdown.target\n"
        "Wants=network-pre.target\n"
        "After=local-fs.target nftables.service netfilter-persistent.service ufw.service firewalld.service\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft -f " +
        nftFileOf(table) + "\n[Install]\nWantedBy=multi-user.target\n";
    return hereDocument("cat >/etc/systemd/system/" + unit, body) +
           "systemctl daemon-reload\nsystemctl enable " + unit + "\n";
}

Steps nftSteps(const evidence::BootRules& boot, const NftTable& table) {
    const auto file = nftFileOf(table.name);
    const auto undo = "/run/" + unitOf(table.name) + "-undo.nft";
    const auto name = "table inet " + table.name;
    Steps out;
    out.prepare = "command -v nft >/dev/null || apt-get install -y nftables\nmkdir -p /etc/nftables.d\n" +
                  hereDocument("cat >" + file, tableText(table)) + "nft -c -f " + file + "\n{ echo '" + name +
                  "'; echo 'delete " + name + "'; nft -s list " + name + " 2>/dev/null; } >" + undo + "\n";
    out.track =
        "    nft 'table inet lapwing_track { chain track { type filter hook output priority 0; ct state new; "
        "}; }'\n";
    out.untrack = "nft delete table inet lapwing_track 2>/dev/null\n";
    out.undo = "nft -f " + undo;
    out.attempt = "    nft -f " + file + "\n";
    out.keep = atBoot(boot, table.name);
    return out;
}

Steps ufwSteps(const std::vector<std::string>& commands) {
    Steps out;
    out.prepare = "tar -C / -cf /run/lapwing-undo.tar etc/ufw etc/default/ufw\n";
    out.undo = "sh -c 'tar -C / -xf /run/lapwing-undo.tar && ufw reload'";
    out.attempt = "    {\n";
    for (const auto& command : commands) {
        out.attempt += "    " + command + "\n";
    }
    out.attempt += "    }\n";
    return out;
}

Steps firewalldSteps(const evidence::Host& host, const std::vector<std::string>& rules) {
    std::set<std::string> interfaces;
    for (const auto& held : host.addresses) {
        if (!held.interface.empty() && held.interface != "lo") {
            interfaces.insert(held.interface);
        }
    }
    std::string list;
    for (const auto& interface : interfaces) {
        list += (list.empty() ? "" : " ") + interface;
    }
    Steps out;
    out.prepare =
        "zones=$(for i in " + list +
        "; do firewall-cmd --get-zone-of-interface=$i 2>/dev/null || firewall-cmd --get-default-zone; done | "
        "sort -u)\n";
    out.undo = "firewall-cmd --reload";
    out.attempt = "    for zone in $zones; do\n";
    for (const auto& rule : rules) {
        out.attempt += "    firewall-cmd --zone=$zone --add-rich-rule='" + rule + "'\n";
    }
    out.attempt += "    done\n";
    out.keep = "firewall-cmd --runtime-to-permanent\n";
    return out;
}

/// "INPUT": the chain of iptables for the hook.
std::string builtInChain(reach::Hook hook) {
    return hook == reach::Hook::output ? "OUTPUT" : hook == reach::Hook::forward ? "FORWARD" : "INPUT";
}

std::optional<Steps> persistentSteps(const NftTable& table) {
    const auto chain = iptablesChain(table);
    const auto built_in = builtInChain(table.hook);
    Steps out;
    std::string jumps;
    for (const auto family : {reach::Family::ipv4, reach::Family::ipv6}) {
        const auto lines = iptablesRules(table, family);
        if (!lines) {
            return std::nullopt;
        }
        std::string body = "*filter\n";
        for (const auto& line : *lines) {
            body.append(line).append("\n");
        }
        const bool ipv4 = family == reach::Family::ipv4;
        const auto* tool = ipv4 ? "iptables" : "ip6tables";
        const auto file = fmt::format("/run/{}{}", unitOf(table.name), ipv4 ? ".v4" : ".v6");
        out.prepare += fmt::format("{}-save >{}.undo\n", tool, file);
        out.prepare += hereDocument("cat >" + file, body.append("COMMIT\n"));
        out.prepare += fmt::format("{}-restore --test --noflush <{}\n", tool, file);
        out.undo += fmt::format("{}{}-restore <{}.undo", out.undo.empty() ? "sh -c '" : "; ", tool, file);
        out.track += fmt::format("    {} -I OUTPUT -m conntrack --ctstate NEW\n", tool);
        out.untrack += fmt::format("{} -D OUTPUT -m conntrack --ctstate NEW 2>/dev/null\n", tool);
        out.attempt += fmt::format("    {}-restore --noflush <{}\n", tool, file);
        jumps +=
            fmt::format("    {0} -C {1} -j {2} 2>/dev/null || {0} -I {1} -j {2}\n", tool, built_in, chain);
    }
    out.undo += "'";
    out.attempt = "    {\n" + out.attempt + jumps + "    }\n";
    out.keep = "netfilter-persistent save\n";
    return out;
}

/// Why another form may fit the host better; "" if its keeper is known.
std::string unknownLine(const evidence::Host& host) {
    if (!host.agent_present) {
        return "# No agent reports what keeps the rules of " + host.name +
               ": where ufw or firewalld does, use its commands for the same.\n";
    }
    if (!host.boot.unknown.empty()) {
        return "# What loads the other rules of " + host.name +
               " at boot is not known: " + host.boot.unknown + ".\n";
    }
    return "";
}

bool names(const std::vector<std::string>& units, const std::string& program) {
    return std::any_of(units.begin(), units.end(), [&](const std::string& unit) {
        return unit.compare(0, program.size(), program) == 0;
    });
}

}  // namespace

std::string nftFileOf(const std::string& table) {
    return "/etc/nftables.d/" + unitOf(table) + ".nft";
}

std::string atBoot(const evidence::BootRules& boot, const std::string& table) {
    return rulesKeeper(boot) == RulesKeeper::nftables ? includeInNftablesConf(boot, table) : ownUnit(table);
}

RulesKeeper rulesKeeper(const evidence::BootRules& boot) {
    if (names(boot.makers, "ufw")) {
        return RulesKeeper::ufw;
    }
    if (names(boot.makers, "firewalld")) {
        return RulesKeeper::firewalld;
    }
    if (!boot.makers.empty() || !boot.unknown.empty()) {
        return RulesKeeper::other;
    }
    if (boot.sources.empty() || boot.sources.find("nftables.service") != std::string::npos) {
        return RulesKeeper::nftables;
    }
    return boot.sources.find("netfilter-persistent.service") != std::string::npos
               ? RulesKeeper::netfilter_persistent
               : RulesKeeper::other;
}

std::string loadingSteps(const evidence::Host& host, const NftTable& table) {
    switch (rulesKeeper(host.boot)) {
        case RulesKeeper::ufw:
            if (const auto commands = ufwCommands(table)) {
                return "# ufw keeps the rules of " + host.name + ": these are its commands.\n" +
                       text(host.name, table, ufwSteps(*commands));
            }
            break;
        case RulesKeeper::firewalld:
            if (const auto rules = firewalldRules(table)) {
                return "# firewalld keeps the rules of " + host.name + ": these are its commands.\n" +
                       text(host.name, table, firewalldSteps(host, *rules));
            }
            break;
        case RulesKeeper::netfilter_persistent:
            if (const auto steps = persistentSteps(table)) {
                return "# iptables-persistent keeps the rules of " + host.name +
                       ": these are rules of iptables.\n" + text(host.name, table, *steps);
            }
            break;
        case RulesKeeper::nftables:
        case RulesKeeper::other:
            break;
    }
    return unknownLine(host) + text(host.name, table, nftSteps(host.boot, table));
}

}  // namespace lapwing::analysis::exposure
