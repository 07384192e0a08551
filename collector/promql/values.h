#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::promql {

/// The times at which an expression is evaluated: the steps of a range query or a subquery, or one instant.
struct Grid {
    TimestampMs start = 0;
    std::int64_t step = 1;
    std::size_t points = 1;

    TimestampMs at(std::size_t i) const { return start + static_cast<std::int64_t>(i) * step; }
    TimestampMs last() const { return at(points - 1); }
};

/// One series over a whole grid, with `absent()` at steps without a value. Prometheus' staleness marker can
/// stand for absence because selectors never return it and no operation produces it.
struct Series {
    Labels labels;
    std::vector<double> values;
};
using SeriesSet = std::vector<Series>;
using ScalarValues = std::vector<double>;

/// The result of a node. Range vectors, which only functions take, are in windows.h.
using Value = std::variant<ScalarValues, std::string, SeriesSet>;

inline double absent() {
    return staleNaN();
}
inline bool isAbsent(double value) {
    return isStaleNaN(value);
}

}  // namespace lapwing::promql
