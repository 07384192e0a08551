#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/redundancy/virtual_address.h"

namespace lapwing::analysis::redundancy {

void judgeRecords(const Context& context, Judgement& out) {
    const auto& moment = *context.moment;
    std::set<std::string> names;
    for (const auto& entry : moment.model.entries) {
        names.insert(entry.name);
        if (entry.name.empty() || !entry.address) {
            continue;
        }
        const FindingKey key{"R10", entry.name};
        if (entry.one_of_several || !moment.services.moversOf(*entry.address).empty()) {
            conclude(out, key, std::nullopt);
            continue;
        }
        const auto on = entry.active.empty() ? entry.direct : entry.active;
        if (on.empty()) {
            // It may be a provider's load balancer, whose address does move.
            continue;
        }
        const auto address = entry.address->toString();
        Finding finding;
        finding.severity = Severity::high;
        finding.confidence = entry.holders.empty() ? Confidence::suspected : Confidence::confirmed;
        finding.title = entry.name + " leads to one address, which does not move";
        finding.evidence = {{"resolver of the collector", entry.name + " resolves to " + address + " only"},
                            {"addresses of " + on,
                             entry.holders.empty() ? "no other host with an agent holds " + address
                                                   : joined({entry.holders.begin(), entry.holders.end()}) +
                                                         " holds " + address},
                            {"keepalived", "on no host does it move " + address}};
        finding.remedy =
            virtualAddressSteps(context, entry, BalancerPair::of(moment.model, entry)) +
            "Or let the name lead to the addresses of two load balancers, if the clients try the next "
            "one by themselves (browsers do).\n" +
            simulatedBalancer(context);
        finding.not_assessed = {"what other resolvers answer", "the name servers of the domain"};
        conclude(out, key, std::move(finding));
    }
    out.vanished.emplace_back(
        [names](const FindingKey& key) { return key.first == "R10" && !names.contains(key.second); });
}

}  // namespace lapwing::analysis::redundancy
