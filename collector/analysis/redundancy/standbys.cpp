#include <algorithm>
#include <set>

#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/redundancy/virtual_address.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::Entry;
using topology::ObstacleKind;
using topology::Standby;

constexpr std::size_t kMostDifferences = 4;

/// Differences of the files that two load balancers need alike.
std::vector<Evidence> unlike(const Context& context, const Entry& entry, const Standby& standby) {
    std::vector<Evidence> out;
    for (const auto* set : {"haproxy", "certificates"}) {
        if (const auto text = differencesOf(context, set, entry.active, standby.host, kMostDifferences)) {
            out.push_back({"inventory of " + joined({entry.active, standby.host}), *text});
        }
    }
    return out;
}

std::string checkText(const std::string& program) {
    return "vrrp_script " + program + " {\n    script \"/usr/bin/pgrep -x " + program +
           "\"\n    interval 1\n    fall 2\n    rise 2\n    user root\n}\n";
}

const char* const kReload =
    "Then there: `keepalived -t && systemctl reload keepalived`. First on the host that does not hold the "
    "address.\n";

std::string stepFor(const Entry& entry, const Standby& standby, const topology::Obstacle& obstacle,
                    const BalancerPair& pair) {
    const auto& active = pair.active;
    const auto process = pair.program.empty() ? "PROCESS" : pair.program;
    const auto address = entry.address ? entry.address->toString() : "the entry's address";
    const auto port = std::to_string(entry.port);
    const auto& host = obstacle.host;
    const std::string permanently = ", in the file from which the rules are loaded too.\n";
    const std::string file = "/etc/keepalived/keepalived.conf";
    switch (obstacle.kind) {
        case ObstacleKind::vrrp_blocked:
            return "On " + host +
                   ", before the rule that drops: `meta l4proto 112 accept` (in the chain at the input "
                   "hook)" +
                   permanently;
        case ObstacleKind::visitors_blocked:
            return "On " + host + ", before the rule that drops: `tcp dport " + port + " accept`" +
                   permanently;
        case ObstacleKind::keepalived: {
            const auto& other = host == active ? standby.host : active;
            return "On " + host + ": `apt-get install keepalived`, and in " + file +
                   " the vrrp_instance of " + other + " for " + address + " with another priority (" +
                   (host == active ? "150" : "100") +
                   "). Copy virtual_router_id, version, advert_int, authentication, virtual_ipaddress, "
                   "vrrp_script "
                   "and track_script; if " +
                   other + " has unicast_peer, name " + other +
                   "'s address in it. Then `keepalived -t && systemctl enable keepalived && systemctl "
                   "restart "
                   "keepalived`.\n";
        }
        case ObstacleKind::keepalived_stopped:
            return "On " + host +
                   ": `systemctl enable keepalived && systemctl restart keepalived`; `journalctl -u "
                   "keepalived` says why it stopped.\n";
        case ObstacleKind::deaf:
            return "On " + standby.host + " and " + active + ", in " + file +
                   ": give the vrrp_instance for " + address +
                   " the same virtual_router_id, version, advert_int, authentication and virtual_ipaddress "
                   "on both; "
                   "let unicast_peer name the address of the other host on both, or on neither. " +
                   kReload + "While both hold the address, the site may not answer for some seconds.\n";
        case ObstacleKind::arithmetic:
            return "On " + active + " and " + standby.host + ", in " + file +
                   ": keepalived gives the address up if a check without a weight fails. Delete the `weight` "
                   "of the "
                   "check, in vrrp_script and in track_script; if no check looks at the program, add\n" +
                   checkText(process) + "and in the vrrp_instance\n    track_script {\n        " + process +
                   "\n    }\n" + kReload + "The site answers all the time.\n";
        case ObstacleKind::servers_away:
            return "On " + host +
                   ": `journalctl -u haproxy` names the servers and why their checks fail. Let the "
                   "servers' firewalls accept " +
                   host + " as they accept " + active + ".\n";
        case ObstacleKind::not_listening:
            return "On " + standby.host + ": let " + pair.title + " listen on `*:" + port + "`, or " +
                   address + " with `net." +
                   (entry.address && entry.address->family == reach::Family::ipv6 ? "ipv6" : "ipv4") +
                   ".ip_nonlocal_bind = 1`.\n";
        case ObstacleKind::not_reported:
            if (obstacle.evidence.source.starts_with("agent")) {
                return "On " + host +
                       ": install lapwing-agent of the collector's version. If it runs, `lapwing-agent "
                       "status` "
                       "says why it does not report keepalived. Then Lapwing knows whether the address "
                       "moves.\n";
            }
            break;
        case ObstacleKind::not_known:
            if (obstacle.evidence.source.starts_with("keepalived")) {
                return "On " + host +
                       ": Lapwing knows whether the address moves if the vrrp_instance uses plain "
                       "settings and a check without a weight that it can read, such as `script "
                       "\"/usr/bin/pgrep -x " +
                       process + "\"`.\n";
            }
            break;
    }
    return "";
}

void judgeStandby(const Context& context, const Entry& entry, const Standby& standby, Judgement& out) {
    const FindingKey key{"R9", context.moment->model.balancers.at(standby.host).component};
    auto evidence =
        standby.takesOver() == Truth::unknown ? std::vector<Evidence>{} : standby.obstacleEvidence();
    const auto found = context.moment->model.components.find(key.second);
    const bool down = found != context.moment->model.components.end() && found->second.works == Truth::no;
    if (down) {
        evidence.push_back({"haproxy statistics of " + standby.host, "it does not answer"});
    }
    const auto differences = unlike(context, entry, standby);
    evidence.insert(evidence.end(), differences.begin(), differences.end());
    if (evidence.empty()) {
        // An earlier finding may still hold if reports are missing. R1 tells of settings that are not
        // understood.
        const bool reported =
            std::all_of(standby.obstacles.begin(), standby.obstacles.end(),
                        [](const auto& each) { return each.kind == ObstacleKind::not_known; });
        if (standby.takesOver() == Truth::yes || reported) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = "The load balancer on " + standby.host + " would not take over from " + entry.active +
                    (standby.takesOver() == Truth::no || down ? "" : " as it is there");
    finding.evidence = std::move(evidence);
    finding.remedy = takeoverSteps(context, entry, standby);
    if (!differences.empty()) {
        finding.remedy += "Copy /etc/haproxy and the certificates from " + entry.active + " to " +
                          standby.host +
                          ", `haproxy -c -f /etc/haproxy/haproxy.cfg`, then `systemctl reload haproxy`.\n";
    }
    if (down) {
        finding.remedy +=
            "On " + standby.host + ": `systemctl start haproxy`; its journal says why it stopped.\n";
    }
    finding.remedy += simulatedBalancer(context);
    finding.not_assessed = {"whether the check notices a HAProxy that hangs",
                            "whether keepalived runs with the present configuration file",
                            "switches that filter multicast or gratuitous ARP"};
    conclude(out, key, std::move(finding));
}

}  // namespace

std::string takeoverSteps(const Context& context, const Entry& entry, const Standby& standby) {
    auto pair = BalancerPair::of(context.moment->model, entry);
    pair.standby = standby.host;
    const bool fixed = entry.address && context.moment->services.moversOf(*entry.address).empty();
    const bool without = !context.moment->services.vrrp.contains(standby.host) ||
                         std::any_of(standby.obstacles.begin(), standby.obstacles.end(),
                                     [](const auto& each) { return each.kind == ObstacleKind::keepalived; });
    if (fixed && without) {
        return virtualAddressSteps(context, entry, pair);
    }
    std::string out;
    std::set<ObstacleKind> once;
    for (const auto& obstacle : standby.obstacles) {
        const bool alike = obstacle.kind == ObstacleKind::deaf || obstacle.kind == ObstacleKind::arithmetic;
        if (!alike || once.insert(obstacle.kind).second) {
            out += stepFor(entry, standby, obstacle, pair);
        }
    }
    return out;
}

void judgeStandbys(const Context& context, Judgement& out) {
    for (const auto& entry : context.moment->model.entries) {
        // If the name has another address, none needs to move.
        if (entry.one_of_several) {
            continue;
        }
        for (const auto& standby : entry.standbys) {
            judgeStandby(context, entry, standby, out);
        }
        // The active load balancer is no standby.
        if (!entry.active.empty() && !entry.standbys.empty()) {
            conclude(out, {"R9", context.moment->model.balancers.at(entry.active).component}, std::nullopt);
        }
    }
}

}  // namespace lapwing::analysis::redundancy
