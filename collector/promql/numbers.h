#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lapwing::promql {

/// A number as PromQL takes it: decimal, 0x hexadecimal, 0 octal, inf, nan, underscores between digits.
std::optional<double> parseNumber(std::string_view text);

/// The bound of a histogram's bucket, as in its label `le`: a decimal number, `+Inf`.
std::optional<double> parseBound(std::string_view text);

/// The shortest text that reads back as the same value, in Go's forms: 'g' style as %v prints (exponent below
/// 1e-4 and from 1e21), `+Inf`, `-Inf`, `NaN`.
std::string formatNumber(double value);

/// Likewise, but never with an exponent: as count_values() makes labels.
std::string formatPlain(double value);

/// Likewise, as %g prints: with an exponent from 1e6 on already. In warnings.
std::string formatBrief(double value);

/// Go's math.Max and math.Min: an infinity in their direction wins, else NaN; 0 is larger than -0.
double maximum(double a, double b);
double minimum(double a, double b);

}  // namespace lapwing::promql
