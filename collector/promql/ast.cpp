#include "collector/promql/ast.h"

#include <array>

#include "collector/promql/signatures.h"

namespace lapwing::promql {
namespace {

constexpr std::array kAggregationTexts = {"sum",      "avg",          "min",    "max",        "group",
                                          "count",    "stddev",       "stdvar", "topk",       "bottomk",
                                          "quantile", "count_values", "limitk", "limit_ratio"};

constexpr std::array kOperatorTexts = {
    "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", "<=", ">", ">=", "and", "or", "unless"};

}  // namespace

const char* valueTypeName(ValueType type) {
    switch (type) {
        case ValueType::none:
            return "none";
        case ValueType::scalar:
            return "scalar";
        case ValueType::string:
            return "string";
        case ValueType::vector:
            return "instant vector";
        case ValueType::matrix:
            return "range vector";
    }
    return "none";
}

const char* operatorText(Operator op) {
    return kOperatorTexts[static_cast<std::size_t>(op)];
}

bool isComparison(Operator op) {
    return op >= Operator::equal && op <= Operator::greater_equal;
}

bool isSetOperator(Operator op) {
    return op >= Operator::land;
}

const char* aggregationText(Aggregation op) {
    return kAggregationTexts[static_cast<std::size_t>(op)];
}

bool aggregationHasParameter(Aggregation op) {
    return op >= Aggregation::topk;
}

ValueType Expr::type() const {
    if (as<NumberLiteral>() != nullptr) {
        return ValueType::scalar;
    }
    if (as<StringLiteral>() != nullptr) {
        return ValueType::string;
    }
    if (const auto* paren = as<Paren>()) {
        return paren->inner->type();
    }
    if (const auto* unary = as<Unary>()) {
        return unary->operand->type();
    }
    if (const auto* binary = as<Binary>()) {
        const bool scalars =
            binary->lhs->type() == ValueType::scalar && binary->rhs->type() == ValueType::scalar;
        return scalars ? ValueType::scalar : ValueType::vector;
    }
    if (const auto* call = as<Call>()) {
        return call->function->result;
    }
    if (as<MatrixSelector>() != nullptr || as<Subquery>() != nullptr) {
        return ValueType::matrix;
    }
    return ValueType::vector;
}

const Expr& unwrapParens(const Expr& expr) {
    const Expr* inner = &expr;
    while (const auto* paren = inner->as<Paren>()) {
        inner = paren->inner.get();
    }
    return *inner;
}

}  // namespace lapwing::promql
