#pragma once

#include "collector/promql/evaluator.h"

namespace lapwing::promql {

/// Evaluates a function call. Arguments have the types that the signature says.
Expected<Value> evaluateCall(Evaluator& evaluator, const Call& call, const Grid& grid);

/// What a remark on an argument cites. Prometheus looks behind parentheses, unless it has set the argument
/// aside to be evaluated once.
const Expr& citedPart(const Call& call, const Expr& argument);

/// That a quantile is none.
void warnOfQuantile(Context& context, double q, const Expr& where);

using CallHandler = Expected<Value> (*)(Evaluator& evaluator, const Call& call, const Grid& grid);

/// The functions by family, each in a file of its own; null if the name is not of that family.
CallHandler findVectorFunction(std::string_view name);     // vector_functions.cpp
CallHandler findLabelFunction(std::string_view name);      // label_functions.cpp
CallHandler findHistogramFunction(std::string_view name);  // histogram_functions.cpp
/// A plain mathematical function of each value: abs, sqrt, sin; null if there is none.
double (*findElementFunction(std::string_view name))(double);  // element_functions.cpp
/// A part of the UTC calendar at a time in seconds: hour, day_of_week; null if there is none.
double (*findCalendarFunction(std::string_view name))(double);  // element_functions.cpp

}  // namespace lapwing::promql
