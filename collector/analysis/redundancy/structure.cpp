#include "collector/analysis/redundancy/structure.h"

#include <algorithm>

namespace lapwing::analysis::redundancy {

namespace {

void collect(const Gate& gate, std::set<std::string>& out) {
    if (gate.kind == Gate::Kind::component) {
        out.insert(gate.component);
    }
    for (const auto& part : gate.parts) {
        collect(part, out);
    }
}

}  // namespace

bool works(const Gate& gate, const std::set<std::string>& failed) {
    const auto part_works = [&](const Gate& part) { return works(part, failed); };
    switch (gate.kind) {
        case Gate::Kind::component:
            return !failed.contains(gate.component);
        case Gate::Kind::all:
            return std::all_of(gate.parts.begin(), gate.parts.end(), part_works);
        case Gate::Kind::any:
            return std::any_of(gate.parts.begin(), gate.parts.end(), part_works);
    }
    return false;
}

std::set<std::string> singlePoints(const Gate& gate) {
    std::set<std::string> out;
    if (!works(gate, {})) {
        return out;
    }
    std::set<std::string> components;
    collect(gate, components);
    for (const auto& component : components) {
        if (!works(gate, {component})) {
            out.insert(component);
        }
    }
    return out;
}

}  // namespace lapwing::analysis::redundancy
