#pragma once

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Both sides were evaluated on one grid of `points`. Error `execution` if they cannot be matched.
Expected<Value> evaluateBinary(Context& context, const Binary& binary, Value lhs, Value rhs,
                               std::size_t points);

}  // namespace lapwing::promql
