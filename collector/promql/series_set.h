#pragma once

#include <string_view>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Whether two series that got the same labels may become one where they never have a value at the same step.
enum class Duplicates { merge, refuse };

/// After labels were changed: makes label sets unique. Error `execution` where that cannot be.
Expected<void> unify(SeriesSet& set, Duplicates duplicates);

/// Takes away what says which metric it was: the name, and in version 3 the type and unit.
void dropName(const Context& context, Labels& labels);

/// Does so to all series, and unifies.
Expected<void> dropNames(const Context& context, SeriesSet& set, Duplicates duplicates);

/// Removes series without any value.
void removeEmpty(SeriesSet& set);

/// Repeats the single value of each series over a grid of so many points.
void replicate(SeriesSet& set, std::size_t points);

}  // namespace lapwing::promql
