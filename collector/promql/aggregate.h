#pragma once

#include <limits>
#include <string>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Evaluates sum by (...) and the like; the operand was evaluated on a grid of `points`. `parameter` has a
/// value for each step (k, a quantile, a ratio), `label` is that of count_values(). Error `execution` for
/// impossible parameters.
Expected<SeriesSet> evaluateAggregate(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const ScalarValues& parameter, const std::string& label,
                                      std::size_t points);

/// The range of a parameter over all steps at once, by which version 3 judges it.
struct Extremes {
    explicit Extremes(const ScalarValues& values);
    double most = -std::numeric_limits<double>::max();  ///< NaN if any value is NaN, unless another is +Inf
    double least = std::numeric_limits<double>::max();
    bool any_nan = false;
};

/// topk(), bottomk(), limitk() and limit_ratio(): aggregations that choose among their input series.
Expected<SeriesSet> evaluateSelection(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const std::vector<std::size_t>& groups, std::size_t group_count,
                                      const ScalarValues& parameter, std::size_t points);

}  // namespace lapwing::promql
