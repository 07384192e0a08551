#include <algorithm>
#include <array>

#include "collector/promql/ast.h"
#include "collector/promql/signatures.h"

namespace lapwing::promql {
namespace {

/// These functions depend on the time of the step, whatever their arguments are.
constexpr std::array<std::string_view, 11> kOfTheirStep = {
    "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour",          "minute",
    "month",        "year",        "time",        "timestamp",     "predict_linear"};

bool isFixed(const TimeModifiers& time) {
    return time.at != TimeModifiers::At::none;
}

}  // namespace

bool isStepInvariant(const Expr& expr) {
    if (const auto* selector = expr.as<VectorSelector>()) {
        return isFixed(selector->time);
    }
    if (const auto* matrix = expr.as<MatrixSelector>()) {
        return isFixed(matrix->selector.time);
    }
    if (const auto* subquery = expr.as<Subquery>()) {
        return isFixed(subquery->time);
    }
    if (const auto* paren = expr.as<Paren>()) {
        return isStepInvariant(*paren->inner);
    }
    if (const auto* unary = expr.as<Unary>()) {
        return isStepInvariant(*unary->operand);
    }
    if (const auto* binary = expr.as<Binary>()) {
        return isStepInvariant(*binary->lhs) && isStepInvariant(*binary->rhs);
    }
    // As in Prometheus, the parameter is not checked: its value at the first step counts.
    if (const auto* aggregate = expr.as<Aggregate>()) {
        return isStepInvariant(*aggregate->operand);
    }
    if (const auto* call = expr.as<Call>()) {
        const auto name = call->function->name;
        if (std::find(kOfTheirStep.begin(), kOfTheirStep.end(), name) != kOfTheirStep.end()) {
            return false;
        }
        return std::all_of(call->arguments.begin(), call->arguments.end(),
                           [](const ExprPtr& argument) { return isStepInvariant(*argument); });
    }
    return true;
}

}  // namespace lapwing::promql
