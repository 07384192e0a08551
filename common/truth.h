#pragma once

#include <algorithm>

namespace lapwing {

/// Kleene's strong three-valued logic (Kleene 1952, section 64). The values are in the order of truth: the
/// conjunction is the smaller, the disjunction the greater.
enum class Truth { no, unknown, yes };

constexpr Truth truthOf(bool known) {
    return known ? Truth::yes : Truth::no;
}

constexpr Truth conjunction(Truth left, Truth right) {
    return std::min(left, right);
}

constexpr Truth disjunction(Truth left, Truth right) {
    return std::max(left, right);
}

constexpr Truth negate(Truth truth) {
    return truth == Truth::unknown ? Truth::unknown : truthOf(truth == Truth::no);
}

/// "no", "unknown", "yes".
constexpr const char* truthName(Truth truth) {
    switch (truth) {
        case Truth::no:
            return "no";
        case Truth::unknown:
            break;
        case Truth::yes:
            return "yes";
    }
    return "unknown";
}

}  // namespace lapwing
