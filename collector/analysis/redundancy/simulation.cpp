#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

std::string singlePointsText(const topology::Model& model) {
    std::string out;
    for (const auto& [kind, word] : {std::pair(topology::ServiceKind::read, "reading"),
                                     std::pair(topology::ServiceKind::write, "writing")}) {
        const auto* service = model.service(kind);
        if (service == nullptr) {
            continue;
        }
        const auto points = service->design.singles(false);
        out += (out.empty() ? "" : "; ") + std::string(word) + ": " +
               (points.empty() ? "none" : joined({points.begin(), points.end()}));
    }
    return out;
}

std::string simulatedBalancer(const Context& context) {
    return "Simulated with a second load balancer that takes over, remaining single points: " +
           singlePointsText(
               context.moment->suppose({{topology::ComponentKind::haproxy, "a second load balancer"}})) +
           ".";
}

}  // namespace lapwing::analysis::redundancy
