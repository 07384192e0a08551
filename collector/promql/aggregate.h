#pragma once

#include <limits>
#include <string>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Evaluates sum by (...) and its kin; the operand was evaluated on a grid of `points`. `parameter` is a
/// value a step (k, a quantile, a ratio), `label` that of count_values(). Errors `execution` for parameters
/// that cannot be.
Expected<SeriesSet> evaluateAggregate(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const ScalarValues& parameter, const std::string& label,
                                      std::size_t points);

/// What version 3 judges a parameter by: its values over all steps at once.
struct Extremes {
    explicit Extremes(const ScalarValues& values);
    double most = -std::numeric_limits<double>::max();  ///< NaN if any is, unless one is +Inf
    double least = std::numeric_limits<double>::max();
    bool any_nan = false;
};

/// topk(), bottomk(), limitk() and limit_ratio(): aggregations that choose among the series they are given.
Expected<SeriesSet> evaluateSelection(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const std::vector<std::size_t>& groups, std::size_t group_count,
                                      const ScalarValues& parameter, std::size_t points);

}  // namespace lapwing::promql
