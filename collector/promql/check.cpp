#include <algorithm>
#include <string>

#include "collector/promql/parser.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

using Failure = std::optional<CheckFailure>;

Failure expectType(const Expr& expr, ValueType wanted, const std::string& where) {
    if (auto inner = checkTypes(expr)) {
        return inner;
    }
    if (expr.type() == wanted) {
        return std::nullopt;
    }
    return CheckFailure{expr.span.start, "expected type " + std::string(valueTypeName(wanted)) + " in " +
                                             where + ", got " + valueTypeName(expr.type())};
}

Failure check(const Expr& expr, const Binary& binary) {
    if (auto inner = checkTypes(*binary.lhs)) {
        return inner;
    }
    if (auto inner = checkTypes(*binary.rhs)) {
        return inner;
    }
    const auto at = binary.op_position;
    const auto left = binary.lhs->type();
    const auto right = binary.rhs->type();
    const auto& matching = binary.matching;
    using Cardinality = VectorMatching::Cardinality;
    const bool grouped =
        matching.cardinality == Cardinality::many_to_one || matching.cardinality == Cardinality::one_to_many;

    if (binary.return_bool && !isComparison(binary.op)) {
        return CheckFailure{at, "bool modifier can only be used on comparison operators"};
    }
    if (isComparison(binary.op) && !binary.return_bool && left == ValueType::scalar &&
        right == ValueType::scalar) {
        return CheckFailure{at, "comparisons between scalars must use BOOL modifier"};
    }
    if (isSetOperator(binary.op) && grouped) {
        return CheckFailure{expr.span.start, "no grouping allowed for \"" +
                                                 std::string(operatorText(binary.op)) + "\" operation"};
    }
    if (matching.on) {
        for (const auto& label : matching.include) {
            if (std::find(matching.labels.begin(), matching.labels.end(), label) != matching.labels.end()) {
                return CheckFailure{
                    at, "label " + quote(label) + " must not occur in ON and GROUP clause at once"};
            }
        }
    }
    for (const auto* side : {binary.lhs.get(), binary.rhs.get()}) {
        if (side->type() != ValueType::scalar && side->type() != ValueType::vector) {
            return CheckFailure{side->span.start,
                                "binary expression must contain only scalar and instant vector types"};
        }
    }
    if (left == ValueType::vector && right == ValueType::vector) {
        return std::nullopt;
    }
    if (!matching.labels.empty() || grouped) {
        return CheckFailure{expr.span.start, "vector matching only allowed between instant vectors"};
    }
    if (isSetOperator(binary.op)) {
        return CheckFailure{expr.span.start, "set operator \"" + std::string(operatorText(binary.op)) +
                                                 "\" not allowed in binary scalar expression"};
    }
    return std::nullopt;
}

Failure check(const Expr& /*expr*/, const Aggregate& aggregate) {
    if (auto wrong = expectType(*aggregate.operand, ValueType::vector, "aggregation expression")) {
        return wrong;
    }
    if (!aggregate.parameter) {
        return std::nullopt;
    }
    const auto wanted = aggregate.op == Aggregation::count_values ? ValueType::string : ValueType::scalar;
    return expectType(*aggregate.parameter, wanted, "aggregation parameter");
}

Failure check(const Expr& expr, const Call& call) {
    const auto& function = *call.function;
    const auto most = function.arguments.size();
    const auto given = call.arguments.size();
    const auto least = most - static_cast<std::size_t>(function.optional < 0 ? 1 : function.optional);
    const auto name = quote(function.name);
    const auto count = [&](const char* how, std::size_t wanted) {
        return CheckFailure{expr.span.start, std::string("expected ") + how + std::to_string(wanted) +
                                                 " argument(s) in call to " + name + ", got " +
                                                 std::to_string(given)};
    };
    if (function.optional == 0 && given != most) {
        return count("", most);
    }
    if (given < least) {
        return count("at least ", least);
    }
    if (function.optional > 0 && given > most) {
        return count("at most ", most);
    }
    for (std::size_t i = 0; i < given; ++i) {
        const auto wanted = function.arguments[std::min(i, most - 1)];
        if (auto wrong = expectType(*call.arguments[i], wanted, "call to function " + name)) {
            return wrong;
        }
    }
    return std::nullopt;
}

Failure check(const Expr& expr, const Unary& unary) {
    if (auto inner = checkTypes(*unary.operand)) {
        return inner;
    }
    const auto type = unary.operand->type();
    if (type == ValueType::scalar || type == ValueType::vector) {
        return std::nullopt;
    }
    return CheckFailure{
        expr.span.start,
        "unary expression only allowed on expressions of type scalar or instant vector, got \"" +
            std::string(valueTypeName(type)) + "\""};
}

Failure check(const Expr& expr, const Subquery& subquery) {
    if (auto inner = checkTypes(*subquery.inner)) {
        return inner;
    }
    const auto type = subquery.inner->type();
    if (type == ValueType::vector) {
        return std::nullopt;
    }
    const std::string name = type == ValueType::matrix ? "matrix" : valueTypeName(type);
    return CheckFailure{expr.span.start,
                        "subquery is only allowed on instant vector, got " + name + " instead"};
}

Failure check(const Expr& expr, const VectorSelector& selector) {
    const bool selects =
        std::any_of(selector.matchers.begin(), selector.matchers.end(),
                    [](const auto& matcher) { return !matcher.matches(std::string_view()); });
    if (selects) {
        return std::nullopt;
    }
    return CheckFailure{expr.span.start, "vector selector must contain at least one non-empty matcher"};
}

}  // namespace

std::optional<CheckFailure> checkTypes(const Expr& expr) {
    if (const auto* binary = expr.as<Binary>()) {
        return check(expr, *binary);
    }
    if (const auto* aggregate = expr.as<Aggregate>()) {
        return check(expr, *aggregate);
    }
    if (const auto* call = expr.as<Call>()) {
        return check(expr, *call);
    }
    if (const auto* unary = expr.as<Unary>()) {
        return check(expr, *unary);
    }
    if (const auto* subquery = expr.as<Subquery>()) {
        return check(expr, *subquery);
    }
    if (const auto* paren = expr.as<Paren>()) {
        return checkTypes(*paren->inner);
    }
    if (const auto* selector = expr.as<VectorSelector>()) {
        return check(expr, *selector);
    }
    if (const auto* matrix = expr.as<MatrixSelector>()) {
        return check(expr, matrix->selector);
    }
    return std::nullopt;
}

}  // namespace lapwing::promql
