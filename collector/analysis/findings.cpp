#include "collector/analysis/findings.h"

#include <array>

#include "collector/analysis/exposure/exposure.h"
#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis {

namespace {

constexpr std::array kFindingKinds{
    FindingKind{"F1", "no default-deny firewall", Severity::critical, exposure::judgeDefaultDeny},
    FindingKind{"F2", "the database is reachable from addresses that have no business there",
                Severity::critical, exposure::judgeDatabases},
    FindingKind{"F3", "HAProxy's statistics are open", Severity::critical, exposure::judgeServices},
    FindingKind{"F4", "the web server is reachable past the load balancer", Severity::high,
                exposure::judgeServices},
    FindingKind{"F5", "ssh is open to anybody", Severity::high, exposure::judgeServices},
    FindingKind{"F6", "closed over IPv4, open over IPv6", Severity::high, exposure::judgeFamilies},
    FindingKind{"F7", "a published port goes past the firewall", Severity::high, exposure::judgeForwarded},
    FindingKind{"F8", "known ports are blocked, and the default accepts", Severity::medium,
                exposure::judgeDenyList},
    FindingKind{"F9", "a flow that the site needs is blocked", Severity::high, exposure::judgeBlocked},
    FindingKind{"F10", "the firewall would not survive a reboot", Severity::high, exposure::judgeBoot},
    FindingKind{"F11", "a change of the firewall has opened something", Severity::medium,
                exposure::judgeDrift},
    FindingKind{"F12", "legacy iptables and nftables side by side", Severity::medium, exposure::judgeMixed},
    FindingKind{"F13", "out to anywhere", Severity::low, exposure::judgeOutbound},
    FindingKind{"F14", "what a host lets in cannot be proven", Severity::medium, exposure::judgeUnprovable},
    FindingKind{"R1", "the load balancer is a single point of failure", Severity::critical,
                redundancy::judgeLoadBalancers},
    FindingKind{"R2", "a pool has no spare", Severity::critical, redundancy::judgePools},
    FindingKind{"R3", "servers of one pool fail together", Severity::high, redundancy::judgePools},
    FindingKind{"R4", "a pool is served by one host only", Severity::high, redundancy::judgePools},
    FindingKind{"R5", "the load balancer would not notice a failing server", Severity::medium,
                redundancy::judgePools},
    FindingKind{"R6", "a replica could not take over", Severity::high, redundancy::judgeReplicas},
    FindingKind{"R7", "a replica accepts writes, or two servers do", Severity::critical,
                redundancy::judgeReplicas},
    FindingKind{"R8", "an address is held by two hosts at once, or by none", Severity::critical,
                redundancy::judgeEntries},
    FindingKind{"R9", "the load balancer that stands by would not take over", Severity::high,
                redundancy::judgeStandbys},
    FindingKind{"R10", "the entry's name leads to one address, which does not move", Severity::high,
                redundancy::judgeRecords},
    FindingKind{"R11", "the monitoring is itself a single point of failure", Severity::high,
                redundancy::judgeMonitoring},
    FindingKind{"R12", "two databases fail over by themselves, without a witness", Severity::medium,
                redundancy::judgeFailover},
    FindingKind{"R13", "requests are not spread as the weights say", Severity::medium,
                redundancy::judgeBalance},
    FindingKind{"R14", "the servers of a pool differ", Severity::medium, redundancy::judgeDifferences},
    FindingKind{"R15", "a database server takes no further connection", Severity::critical,
                redundancy::judgeDatabaseServers},
    FindingKind{"R16", "commits on a database server wait", Severity::critical,
                redundancy::judgeDatabaseServers},
    FindingKind{"R17", "a primary has a leftover replica channel", Severity::medium,
                redundancy::judgeLeftoverChannels},
    FindingKind{"R18", "agents contradict each other about a server", Severity::critical,
                redundancy::judgeContradictions},
    FindingKind{"R19", "nobody is told of alerts", Severity::low, redundancy::judgeReceivers},
};

}  // namespace

std::span<const FindingKind> findingKinds() {
    return kFindingKinds;
}

Judgement judgeAll(const Context& context) {
    Judgement out;
    const FindingKind* before = nullptr;
    for (const auto& kind : kFindingKinds) {
        if (!context.is_over() && (before == nullptr || before->judge != kind.judge)) {
            kind.judge(context, out);
        }
        before = &kind;
    }
    return out;
}

}  // namespace lapwing::analysis
