#include "collector/promql/parser.h"

#include <algorithm>
#include <utility>

#include "collector/promql/engine.h"
#include "collector/promql/selector_parser.h"
#include "collector/promql/signatures.h"

namespace lapwing::promql {
namespace {

/// A sign binds as tightly as multiplication.
constexpr int kUnaryPrecedence = 5;

std::optional<Aggregation> aggregation(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Aggregation::limit_ratio); ++i) {
        if (aggregationText(static_cast<Aggregation>(i)) == name) {
            return static_cast<Aggregation>(i);
        }
    }
    return std::nullopt;
}

/// Recursive descent. After a failure (which TokenStream keeps), every function returns null or false.
class Parser : SelectorParser {
  public:
    explicit Parser(std::string_view query) : SelectorParser(query) {}

    Expected<ExprPtr> run() {
        if (current().type == TokenType::end) {
            return nothing();
        }
        auto expr = expression(0);
        if (expr && current().type != TokenType::end) {
            unexpected("", "");
            expr.reset();
        }
        if (!expr) {
            return failure();
        }
        if (const auto wrong = checkTypes(*expr)) {
            return error(wrong->position, wrong->message);
        }
        return expr;
    }

  private:
    ExprPtr expression(int min_precedence) {
        if (nesting_ >= kMaxDepth) {
            return failAt(current().start, "expression is nested too deeply");
        }
        ++nesting_;
        auto lhs = unaryOrPostfix();
        while (lhs) {
            const auto op = binaryOperator(current());
            if (!op || op->precedence < min_precedence) {
                break;
            }
            Binary binary;
            binary.op = op->op;
            binary.op_position = current().start;
            advance();
            if (!modifiers(binary)) {
                lhs.reset();
                break;
            }
            binary.rhs = expression(op->right_associative ? op->precedence : op->precedence + 1);
            if (!binary.rhs) {
                lhs.reset();
                break;
            }
            const Span span{lhs->span.start, binary.rhs->span.end};
            const auto depth = std::max(lhs->depth, binary.rhs->depth);
            binary.lhs = std::move(lhs);
            lhs = make(span, std::move(binary), depth);
        }
        --nesting_;
        return lhs;
    }

    bool modifiers(Binary& binary) {
        auto& matching = binary.matching;
        if (isSetOperator(binary.op)) {
            matching.cardinality = VectorMatching::Cardinality::many_to_many;
        }
        binary.return_bool = acceptKeyword("bool");
        if (!isKeyword("on") && !isKeyword("ignoring")) {
            return true;
        }
        matching.on = isKeyword("on");
        advance();
        if (!groupingLabels(matching.labels)) {
            return false;
        }
        if (isKeyword("group_left") || isKeyword("group_right")) {
            matching.cardinality = isKeyword("group_left") ? VectorMatching::Cardinality::many_to_one
                                                           : VectorMatching::Cardinality::one_to_many;
            advance();
            if (isSymbol("(") && !groupingLabels(matching.include)) {
                return false;
            }
        }
        return true;
    }

    ExprPtr unaryOrPostfix() {
        const auto start = current().start;
        if (isSymbol("-") || isSymbol("+")) {
            const bool negative = isSymbol("-");
            advance();
            auto operand = expression(kUnaryPrecedence + 1);
            if (!operand) {
                return nullptr;
            }
            const Span span{start, operand->span.end};
            if (auto* number = operand->as<NumberLiteral>()) {
                if (negative) {
                    number->value = -number->value;
                }
                operand->span = span;
                return operand;
            }
            const auto depth = operand->depth;
            return make(span, Unary{negative, std::move(operand)}, depth);
        }
        auto expr = primary();
        while (expr) {
            if (isKeyword("offset")) {
                expr = offset(std::move(expr));
            } else if (isSymbol("@")) {
                expr = at(std::move(expr));
            } else if (isSymbol("[")) {
                expr = rangeOrSubquery(std::move(expr));
            } else {
                break;
            }
        }
        return expr;
    }

    bool nextIsSymbol(std::string_view text) const {
        return next().type == TokenType::symbol && next().text == text;
    }
    bool nextIsGrouping() const {
        return next().type == TokenType::keyword && (next().value == "by" || next().value == "without");
    }

    ExprPtr primary() {
        const auto& token = current();
        switch (token.type) {
            case TokenType::number:
            case TokenType::duration:
                return number();
            case TokenType::string: {
                auto expr = make({token.start, token.end}, StringLiteral{token.value}, 0);
                advance();
                return expr;
            }
            case TokenType::aggregation:
                return nextIsSymbol("(") || nextIsGrouping() ? aggregate() : selector();
            case TokenType::identifier:
                return nextIsSymbol("(") ? call() : selector();
            case TokenType::symbol:
                return token.text == "(" ? paren() : selector();
            default:
                return selector();
        }
    }

    ExprPtr paren() {
        const auto start = current().start;
        advance();
        auto inner = expression(0);
        if (!inner) {
            return nullptr;
        }
        if (!acceptSymbol(")")) {
            return unexpected("", "");
        }
        const auto depth = inner->depth;
        return make({start, lastEnd()}, Paren{std::move(inner)}, depth);
    }

    ExprPtr number() {
        const auto& token = current();
        NumberLiteral literal;
        if (!literalValue(token, literal)) {
            return nullptr;
        }
        advance();
        return make({token.start, token.end}, literal, 0);
    }

    ExprPtr rangeOrSubquery(ExprPtr expr) {
        const auto bracket = current().start;
        advance();
        std::int64_t range = 0;
        if (!positiveDuration("number or duration", range)) {
            return nullptr;
        }
        if (acceptSymbol("]")) {
            auto* selected = expr->as<VectorSelector>();
            if (selected == nullptr) {
                return failAt(bracket, "ranges only allowed for vector selectors");
            }
            if (selected->time.offset_ms != 0) {
                return failAt(bracket, "no offset modifiers allowed before range");
            }
            if (selected->time.at != TimeModifiers::At::none) {
                return failAt(bracket, "no @ modifiers allowed before range");
            }
            return make({expr->span.start, lastEnd()}, MatrixSelector{std::move(*selected), range}, 0);
        }
        if (!acceptSymbol(":")) {
            return unexpected("subquery or range", "\":\" or \"]\"");
        }
        Subquery subquery;
        subquery.range_ms = range;
        if (!acceptSymbol("]")) {
            if (!positiveDuration("number or duration or \"]\"", subquery.step_ms)) {
                return nullptr;
            }
            if (!acceptSymbol("]")) {
                return unexpected("subquery selector", "\"]\"");
            }
        }
        const Span span{expr->span.start, lastEnd()};
        const auto depth = expr->depth;
        subquery.inner = std::move(expr);
        return make(span, std::move(subquery), depth);
    }

    /// The arguments between parentheses, and the depth of the deepest.
    bool arguments(std::vector<ExprPtr>& out, std::size_t& depth) {
        if (!acceptSymbol("(")) {
            return unexpected("", "");
        }
        if (acceptSymbol(")")) {
            return true;
        }
        while (true) {
            auto argument = expression(0);
            if (!argument) {
                return false;
            }
            depth = std::max(depth, argument->depth);
            out.push_back(std::move(argument));
            if (acceptSymbol(")")) {
                return true;
            }
            const auto comma = current().start;
            if (!acceptSymbol(",")) {
                return unexpected("", "");
            }
            if (isSymbol(")")) {
                return failAt(comma, "trailing commas not allowed in function call args");
            }
        }
    }

    ExprPtr call() {
        const auto& name = current();
        Call result;
        advance();
        std::size_t depth = 0;
        if (!arguments(result.arguments, depth)) {
            return nullptr;
        }
        result.function = findFunction(name.text);
        if (result.function == nullptr) {
            if (name.text == "info") {
                return failAt(name.start, "function \"info\" is not enabled");
            }
            return failAt(name.start, "unknown function with name " + quote(name.text));
        }
        return make({name.start, lastEnd()}, std::move(result), depth);
    }

    bool grouping(Aggregate& out) {
        out.without = isKeyword("without");
        advance();
        return groupingLabels(out.grouping);
    }

    bool isGrouping() const { return isKeyword("by") || isKeyword("without"); }

    ExprPtr aggregate() {
        const auto& name = current();
        Aggregate result;
        result.op = *aggregation(name.value);
        advance();
        enterAggregation();
        const bool before = isGrouping();
        if (before && !grouping(result)) {
            return nullptr;
        }
        std::vector<ExprPtr> operands;
        std::size_t depth = 0;
        if (!arguments(operands, depth)) {
            return nullptr;
        }
        if (!before && isGrouping() && !grouping(result)) {
            return nullptr;
        }
        leaveAggregation();
        const Span span{name.start, lastEnd()};
        if (operands.empty()) {
            return failAt(name.start, "no arguments for aggregate expression provided");
        }
        const std::size_t wanted = aggregationHasParameter(result.op) ? 2 : 1;
        if (operands.size() != wanted) {
            return failAt(name.start,
                          "wrong number of arguments for aggregate expression provided, expected " +
                              std::to_string(wanted) + ", got " + std::to_string(operands.size()));
        }
        result.operand = std::move(operands.back());
        if (wanted == 2) {
            result.parameter = std::move(operands.front());
        }
        return make(span, std::move(result), depth);
    }

    std::size_t nesting_ = 0;
};

}  // namespace

Expected<ExprPtr> parse(std::string_view query) {
    return Parser(query).run();
}

Expected<storage::Matchers> parseSelector(std::string_view text) {
    return SelectorParser(text).runSelector();
}

Expected<std::string> canonical(std::string_view query) {
    auto expr = parse(query);
    if (!expr) {
        return fail(expr.error());
    }
    return print(**expr);
}

}  // namespace lapwing::promql
