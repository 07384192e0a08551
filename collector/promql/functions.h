#pragma once

#include "collector/promql/evaluator.h"

namespace lapwing::promql {

/// Evaluates a function call. Arguments have the types that the signature says.
Expected<Value> evaluateCall(Evaluator& evaluator, const Call& call, const Grid& grid);

/// The part of the query that a warning about an argument names. Prometheus looks inside parentheses,
/// unless it evaluates the argument once in advance.
const Expr& citedPart(const Call& call, const Expr& argument);

/// The warning about a quantile outside [0, 1].
void warnOfQuantile(Context& context, double q, const Expr& where);

using CallHandler = Expected<Value> (*)(Evaluator& evaluator, const Call& call, const Grid& grid);

/// The functions by family, each family in its own file; null if the family has no function of that name.
CallHandler findVectorFunction(std::string_view name);     // vector_functions.cpp
CallHandler findLabelFunction(std::string_view name);      // label_functions.cpp
CallHandler findHistogramFunction(std::string_view name);  // histogram_functions.cpp
/// A plain mathematical function of each value (abs, sqrt, sin); null for any other name.
double (*findElementFunction(std::string_view name))(double);  // element_functions.cpp
/// A part of the UTC calendar at a time in seconds (hour, day_of_week); null for any other name.
double (*findCalendarFunction(std::string_view name))(double);  // element_functions.cpp

}  // namespace lapwing::promql
