#pragma once

#include <string_view>

#include "collector/promql/windows.h"

namespace lapwing::promql {

/// rate(), max_over_time() and the like: what one window gives, absent() if nothing. Formulas are Prometheus'
/// (promql/functions.go); where versions 2 and 3 differ, `Window::compat2` decides.
using RangeFunction = double (*)(const Window& window);

/// Null if there is none of that name. absent_over_time() is not among them: it looks at all series at once.
RangeFunction findRangeFunction(std::string_view name);

/// Whether the function's result still is the same metric, and keeps its name.
bool keepsName(std::string_view name);

/// The value at quantile `q` of values in any order (they are sorted), linearly interpolated; -Inf and +Inf
/// outside of [0, 1], NaN for NaN or no values.
double quantileOf(double q, std::vector<double>& values);

}  // namespace lapwing::promql
