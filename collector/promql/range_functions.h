#pragma once

#include <string_view>

#include "collector/promql/windows.h"

namespace lapwing::promql {

/// rate(), max_over_time() and the like: the result for one window, or absent(). The formulas are
/// Prometheus' (promql/functions.go); `Window::compat2` selects version 2 where it differs from 3.
using RangeFunction = double (*)(const Window& window);

/// Null for any other name. absent_over_time() is not included: it needs all series at once.
RangeFunction findRangeFunction(std::string_view name);

/// Whether the function's result is still the same metric and keeps its name.
bool keepsName(std::string_view name);

/// The value at quantile `q` of values in any order (this sorts them), linearly interpolated; -Inf and +Inf
/// outside [0, 1], NaN for NaN or without values.
double quantileOf(double q, std::vector<double>& values);

}  // namespace lapwing::promql
