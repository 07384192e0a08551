#pragma once

#include <string_view>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Whether two series with the same labels may be merged if they never have a value at the same step.
enum class Duplicates { merge, refuse };

/// Makes label sets unique after labels were changed. Error `execution` where that is impossible.
Expected<void> unify(SeriesSet& set, Duplicates duplicates);

/// Removes the labels that identify the metric: the name, and in version 3 the type and the unit.
void dropName(const Context& context, Labels& labels);

/// Does the same for all series, and makes their label sets unique.
Expected<void> dropNames(const Context& context, SeriesSet& set, Duplicates duplicates);

/// Removes series without any value.
void removeEmpty(SeriesSet& set);

/// Repeats the single value of each series over a grid of that many points.
void replicate(SeriesSet& set, std::size_t points);

}  // namespace lapwing::promql
