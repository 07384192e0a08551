#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/truth.h"

namespace lapwing::analysis::topology {

/// The needs of a delivered service: a function of working components, k-of-n gates (AND is n-of-n, OR is
/// 1-of-n) and facts that no failure changes. It is monotone but for `failed`: an address may move when a
/// host stops, and stay when only its program stops.
struct Gate {
    enum class Kind { component, fact, at_least, failed };
    Kind kind = Kind::at_least;
    std::string component;
    Truth truth = Truth::yes;
    std::size_t needed = 0;
    std::vector<Gate> parts;

    static Gate of(std::string component) {
        return {Kind::component, std::move(component), Truth::yes, 0, {}};
    }
    static Gate fact(Truth truth) { return {Kind::fact, "", truth, 0, {}}; }
    static Gate atLeast(std::size_t needed, std::vector<Gate> parts) {
        return {Kind::at_least, "", Truth::yes, needed, std::move(parts)};
    }
    /// Works if `part` does not.
    static Gate failed(Gate part) { return {Kind::failed, "", Truth::yes, 1, {std::move(part)}}; }
    /// `all` of nothing works, `any` of nothing does not.
    static Gate all(std::vector<Gate> parts) {
        const auto needed = parts.size();
        return atLeast(needed, std::move(parts));
    }
    static Gate any(std::vector<Gate> parts) { return atLeast(1, std::move(parts)); }
};

/// Whether components work. A component that is not listed works.
using States = std::map<std::string, Truth>;

Truth evaluate(const Gate& gate, const States& states);

/// Components whose failure together stops a service, while without any of them it would not stop.
struct CutSet {
    std::set<std::string> components;
    bool certain = true;  ///< false: whether it stops depends on unknown states

    bool operator==(const CutSet&) const = default;
};

/// The effect of one and of two failures on a service.
struct CutSets {
    Truth works = Truth::yes;  ///< before anything fails
    /// Sets of one and of two components, singles first; empty if the service has stopped already. A certain
    /// pair is listed although one of its components is an uncertain single; no other pair contains a single.
    /// Components that have failed already are in no set.
    std::vector<CutSet> sets;
    bool complete = true;  ///< false: pairs may be missing, the function is too large to try them all

    /// The components that stop it alone. `certain_only` leaves out those that may stop it.
    std::set<std::string> singles(bool certain_only = true) const;
};

/// Tries the failures of one and of two components that can make a difference: where a gate has many working
/// parts, two failures make none. Its time is near linear in the size of the function, and bounded.
CutSets cutSets(const Gate& gate, const States& states = {});

}  // namespace lapwing::analysis::topology
