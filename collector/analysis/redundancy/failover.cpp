#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

void judgeFailover(const Context& context, Judgement& out) {
    const auto& moment = *context.moment;
    const auto& databases = moment.model.databases;
    const bool all_known = std::all_of(databases.begin(), databases.end(),
                                       [&](const auto& host) { return moment.services.vrrp.contains(host); });
    const auto moving = moment.services.moving();
    if (all_known) {
        out.vanished.emplace_back([moving](const FindingKey& key) {
            const auto address = reach::Address::parse(key.second);
            return key.first == "R12" && !(address && moving.contains(*address));
        });
    }
    for (const auto& address : moving) {
        const FindingKey key{"R12", address.toString()};
        const auto movers = moment.services.moversOf(address);
        const bool of_databases =
            movers.size() == 2 && std::all_of(movers.begin(), movers.end(), [&](const auto& host) {
                return moment.model.databases.contains(host) && !moment.model.balancers.contains(host);
            });
        if (!of_databases || !context.site.witness.empty()) {
            conclude(out, key, std::nullopt);
            continue;
        }
        const std::vector<std::string> hosts(movers.begin(), movers.end());
        Finding finding;
        finding.severity = Severity::medium;
        finding.confidence = Confidence::confirmed;
        finding.title = "The databases on " + joined(hosts) + " fail over by themselves, without a witness";
        for (const auto& host : hosts) {
            finding.evidence.push_back(
                {"keepalived of " + host, "it moves " + address.toString() + ", and a database runs there"});
        }
        finding.evidence.push_back({"site.witness", "no third party is declared"});
        finding.remedy =
            "Two that do not hear each other each believe the other to be dead: both take writes, and one's "
            "are lost. Let a third machine have a vote (Orchestrator or a Galera arbitrator on the "
            "monitoring "
            "host, for example) and declare it as site.witness in collector.yaml; or take the address away "
            "from "
            "keepalived and promote the replica by hand.";
        finding.not_assessed = {"scripts that keepalived calls when the address moves",
                                "other programs that promote a replica"};
        conclude(out, key, std::move(finding));
    }
}

}  // namespace lapwing::analysis::redundancy
