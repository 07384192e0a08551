#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::promql {

/// The moments at which an expression is evaluated: the steps of a range query, of a subquery, or one
/// instant.
struct Grid {
    TimestampMs start = 0;
    std::int64_t step = 1;
    std::size_t points = 1;

    TimestampMs at(std::size_t i) const { return start + static_cast<std::int64_t>(i) * step; }
    TimestampMs last() const { return at(points - 1); }
};

/// One series over a whole grid: a value a step, `absent()` where it has none. Prometheus' staleness marker
/// stands for absence because selectors never let one through and no operation makes one.
struct Series {
    Labels labels;
    std::vector<double> values;
};
using SeriesSet = std::vector<Series>;
using ScalarValues = std::vector<double>;

/// What a node evaluates to (range vectors aside, which only functions take: see windows.h).
using Value = std::variant<ScalarValues, std::string, SeriesSet>;

inline double absent() {
    return staleNaN();
}
inline bool isAbsent(double value) {
    return isStaleNaN(value);
}

}  // namespace lapwing::promql
