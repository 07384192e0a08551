#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

void judgeEntries(const Context& context, Judgement& out) {
    for (const auto& entry : context.moment->model.entries) {
        if (!entry.address) {
            continue;
        }
        const auto address = entry.address->toString();
        const FindingKey key{"R8", address};
        if (entry.holders.size() < 2) {
            // A host that nobody hears may hold it still.
            if (entry.holders.size() == 1) {
                out.judged.insert(key);
            }
            continue;
        }
        const std::vector<std::string> holders(entry.holders.begin(), entry.holders.end());
        Finding finding;
        finding.severity = Severity::critical;
        finding.confidence = Confidence::confirmed;
        finding.title = joined(holders) + " hold " + address + " at once";
        for (const auto& host : holders) {
            finding.evidence.push_back({"addresses of " + host, "it holds " + address});
        }
        finding.remedy = "Where keepalived moves it: let protocol 112 pass between " + joined(holders) +
                         " (on each, before the rule that drops: `ip protocol vrrp accept`), and compare "
                         "virtual_router_id and interface. Else take the address away from one of them.\n"
                         "Simulated with an address that moves, remaining single points: " +
                         singlePointsText(context.moment->suppose({{"haproxy", "a second load balancer"}})) +
                         ".";
        finding.not_assessed = {"whether keepalived runs", "which of them the switches send packets to"};
        conclude(out, key, std::move(finding));
    }
}

}  // namespace lapwing::analysis::redundancy
