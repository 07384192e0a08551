#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

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

std::string remedyFor(const Entry& entry, const Standby& standby, bool differs) {
    const auto address = entry.address ? entry.address->toString() : "the entry's address";
    const auto port = std::to_string(entry.port);
    const std::string permanently = ", in the file from which the rules are loaded too.\n";
    std::string out;
    for (const auto& obstacle : standby.obstacles) {
        switch (obstacle.kind) {
            case ObstacleKind::vrrp_blocked:
                out.append("On ").append(obstacle.host);
                out +=
                    ", before the rule that drops: `meta l4proto 112 accept` (in the chain at the input "
                    "hook)";
                out += permanently;
                break;
            case ObstacleKind::visitors_blocked:
                out.append("On ").append(obstacle.host);
                out.append(", before the rule that drops: `tcp dport ").append(port).append(" accept`");
                out += permanently;
                break;
            case ObstacleKind::keepalived:
                out += "On " + obstacle.host +
                       ": /etc/keepalived/keepalived.conf with one vrrp_instance for " + address +
                       ", the same virtual_router_id on both, a vrrp_script `killall -0 haproxy` in its "
                       "track_script, and `systemctl enable --now keepalived`.\n";
                break;
            case ObstacleKind::not_listening:
                out.append("On ").append(standby.host);
                out.append(": let HAProxy bind `*:").append(port).append("`, or ").append(address);
                out += " with `net.ipv4.ip_nonlocal_bind = 1`.\n";
                break;
            case ObstacleKind::not_known:
                break;
        }
    }
    if (differs) {
        out += "Copy /etc/haproxy and the certificates from " + entry.active + " to " + standby.host +
               ", `haproxy -c -f /etc/haproxy/haproxy.cfg`, then `systemctl reload haproxy`.\n";
    }
    return out;
}

void judgeStandby(const Context& context, const Entry& entry, const Standby& standby, Judgement& out) {
    const FindingKey key{"R9", context.moment->model.balancers.at(standby.host).component};
    auto evidence =
        standby.takes_over == Truth::unknown ? std::vector<Evidence>{} : standby.obstacleEvidence();
    const auto found = context.moment->model.components.find(key.second);
    const bool down = found != context.moment->model.components.end() && found->second.works == Truth::no;
    if (down) {
        evidence.push_back({"haproxy statistics of " + standby.host, "it does not answer"});
    }
    const auto differences = unlike(context, entry, standby);
    evidence.insert(evidence.end(), differences.begin(), differences.end());
    if (evidence.empty()) {
        // If it is unknown, an earlier finding may still hold.
        if (standby.takes_over == Truth::yes) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = "The load balancer on " + standby.host + " would not take over from " + entry.active +
                    (standby.takes_over == Truth::no || down ? "" : " as it is there");
    finding.evidence = std::move(evidence);
    finding.remedy = remedyFor(entry, standby, !differences.empty());
    if (down) {
        finding.remedy +=
            "On " + standby.host + ": `systemctl start haproxy`; its journal says why it stopped.\n";
    }
    finding.remedy += simulatedBalancer(context);
    finding.not_assessed = {"whether the tracked script notices every failure of HAProxy",
                            "switches that filter multicast or gratuitous ARP"};
    conclude(out, key, std::move(finding));
}

}  // namespace

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
