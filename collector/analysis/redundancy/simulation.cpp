#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

std::string eitherOf(const std::set<std::string>& names) {
    std::string out;
    std::size_t left = names.size();
    for (const auto& name : names) {
        --left;
        out += name + (left == 0 ? "" : left == 1 ? " or " : ", ");
    }
    return out;
}

std::string singlePointsText(const topology::Model& model) {
    std::string out;
    for (const auto& [kind, word] : {std::pair(topology::ServiceKind::read, "reading"),
                                     std::pair(topology::ServiceKind::write, "writing")}) {
        const auto* service = model.service(kind);
        if (service == nullptr) {
            continue;
        }
        const auto points = service->design.singles(false);
        out +=
            (out.empty() ? "" : "; ") +
            (points.empty() ? "no failure of one part stops " + std::string(word)
                            : std::string(word) + " stops, or may stop, if " + eitherOf(points) + " fails");
    }
    return out;
}

std::string simulatedBalancer(const Context& context) {
    return "With a second load balancer that takes over (simulated): " +
           singlePointsText(
               context.moment->suppose({{topology::ComponentKind::haproxy, "a second load balancer"}})) +
           ".";
}

}  // namespace lapwing::analysis::redundancy
