#pragma once

#include <set>
#include <string>
#include <vector>

namespace lapwing::analysis::redundancy {

/// What a delivered service needs: a monotone function of components that work, of AND and OR gates.
struct Gate {
    enum class Kind { component, all, any };
    Kind kind = Kind::all;
    std::string component;
    std::vector<Gate> parts;

    static Gate of(std::string component) { return {Kind::component, std::move(component), {}}; }
    static Gate all(std::vector<Gate> parts) { return {Kind::all, "", std::move(parts)}; }
    static Gate any(std::vector<Gate> parts) { return {Kind::any, "", std::move(parts)}; }
};

/// `any` of nothing does not work, `all` of nothing does.
bool works(const Gate& gate, const std::set<std::string>& failed);

/// Components whose failure alone stops it. None if it does not work anyway.
std::set<std::string> singlePoints(const Gate& gate);

}  // namespace lapwing::analysis::redundancy
