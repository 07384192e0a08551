#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lapwing::promql {

/// Reads a number as PromQL accepts it: decimal, 0x hexadecimal, 0 octal, inf, nan, underscores between
/// digits.
std::optional<double> parseNumber(std::string_view text);

/// Reads the bound of a histogram's bucket, as in its label `le`: a decimal number or `+Inf`.
std::optional<double> parseBound(std::string_view text);

/// The shortest text that reads back as the same value, in Go's 'g' style as %v prints it (exponent below
/// 1e-4 and from 1e21), `+Inf`, `-Inf`, `NaN`.
std::string formatNumber(double value);

/// The same without an exponent, as count_values() makes labels.
std::string formatPlain(double value);

/// The same as %g prints it, with an exponent from 1e6 on. For warnings.
std::string formatBrief(double value);

/// Go's math.Max and math.Min: an infinity in their direction wins over NaN, NaN over other values; 0 is
/// larger than -0.
double maximum(double a, double b);
double minimum(double a, double b);

}  // namespace lapwing::promql
