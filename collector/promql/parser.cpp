#include "collector/promql/parser.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "collector/promql/engine.h"
#include "collector/promql/numbers.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

/// Expressions nest and chain at most so deep: evaluating and destroying one recurses.
constexpr std::size_t kMaxDepth = 400;

using storage::Matcher;

struct BinaryOperator {
    Operator op;
    int precedence;
    bool right_associative;
};

std::optional<BinaryOperator> binaryOperator(const Token& token) {
    static const std::vector<std::pair<std::string_view, BinaryOperator>> kOperators = {
        {"or", {Operator::lor, 1, false}},
        {"and", {Operator::land, 2, false}},
        {"unless", {Operator::lunless, 2, false}},
        {"==", {Operator::equal, 3, false}},
        {"!=", {Operator::not_equal, 3, false}},
        {"<", {Operator::less, 3, false}},
        {"<=", {Operator::less_equal, 3, false}},
        {">", {Operator::greater, 3, false}},
        {">=", {Operator::greater_equal, 3, false}},
        {"+", {Operator::add, 4, false}},
        {"-", {Operator::sub, 4, false}},
        {"*", {Operator::mul, 5, false}},
        {"/", {Operator::div, 5, false}},
        {"%", {Operator::mod, 5, false}},
        {"atan2", {Operator::atan2, 5, false}},
        {"^", {Operator::pow, 6, true}},
    };
    if (token.type != TokenType::symbol && token.type != TokenType::word_operator) return std::nullopt;
    const std::string_view text = token.type == TokenType::symbol ? token.text : token.value;
    for (const auto& [name, op] : kOperators) {
        if (name == text) return op;
    }
    return std::nullopt;
}
constexpr int kUnaryPrecedence = 5;

std::optional<Aggregation> aggregation(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Aggregation::limit_ratio); ++i) {
        if (aggregationText(static_cast<Aggregation>(i)) == name) return static_cast<Aggregation>(i);
    }
    return std::nullopt;
}

/// How a token is named in "unexpected ...".
std::string describe(const Token& token) {
    switch (token.type) {
        case TokenType::end:
            return "end of input";
        case TokenType::error:
            return token.text;
        case TokenType::identifier:
            return "identifier " + quote(token.text);
        case TokenType::metric_identifier:
            return "metric identifier " + quote(token.text);
        case TokenType::keyword:
            return "<" + token.text + ">";
        case TokenType::aggregation:
            return "<aggr:" + token.text + ">";
        case TokenType::word_operator:
            return "<op:" + token.text + ">";
        case TokenType::symbol:
            if (binaryOperator(token) || token.text == "=" || token.text == "=~" || token.text == "!~") {
                return "<op:" + token.text + ">";
            }
            return quote(token.text);
        case TokenType::string:
        case TokenType::number:
        case TokenType::duration:
            break;
    }
    const char* kind = token.type == TokenType::string   ? "string "
                       : token.type == TokenType::number ? "number "
                                                         : "duration ";
    if (token.text.size() > 10) return kind + quote(std::string_view(token.text).substr(0, 10)) + "...";
    return kind + quote(token.text);
}

/// Recursive descent. A failure is kept in `failure_` (the first one counts) and a null pointer or false
/// returned.
class Parser {
  public:
    explicit Parser(std::string_view query) : query_(query), tokens_(lex(query)) {}

    Expected<ExprPtr> run() {
        if (current().type == TokenType::end) return error(0, "no expression found in input");
        auto expr = expression(0);
        if (expr && current().type != TokenType::end) {
            unexpected("", "");
            expr.reset();
        }
        if (!expr) return error(failure_position_, failure_);
        if (const auto wrong = checkTypes(*expr)) return error(wrong->position, wrong->message);
        return expr;
    }

    Expected<storage::Matchers> runSelector() {
        if (current().type == TokenType::end) return error(0, "no expression found in input");
        auto expr = selector();
        if (expr && current().type != TokenType::end) {
            unexpected("", "");
            expr.reset();
        }
        if (!expr) return error(failure_position_, failure_);
        if (const auto wrong = checkTypes(*expr)) return error(wrong->position, wrong->message);
        return std::move(expr->as<VectorSelector>()->matchers);
    }

  private:
    const Token& current() const { return tokens_[index_]; }
    const Token& next() const { return tokens_[std::min(index_ + 1, tokens_.size() - 1)]; }
    void advance() {
        if (index_ + 1 < tokens_.size()) ++index_;
    }
    bool isSymbol(std::string_view text) const {
        return current().type == TokenType::symbol && current().text == text;
    }
    bool isKeyword(std::string_view word) const {
        return current().type == TokenType::keyword && current().value == word;
    }
    bool acceptSymbol(std::string_view text) {
        if (!isSymbol(text)) return false;
        advance();
        return true;
    }
    bool acceptKeyword(std::string_view word) {
        if (!isKeyword(word)) return false;
        advance();
        return true;
    }

    tl::unexpected<Error> error(std::size_t position, const std::string& message) const {
        const auto before = query_.substr(0, std::min(position, query_.size()));
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const auto last_break = before.rfind('\n');
        const auto column = last_break == std::string_view::npos ? position + 1 : position - last_break;
        return fail(ErrorKind::invalid,
                    std::to_string(line) + ":" + std::to_string(column) + ": parse error: " + message);
    }
    std::nullptr_t failAt(std::size_t position, std::string message) {
        if (failure_.empty()) {
            failure_position_ = position;
            failure_ = std::move(message);
        }
        return nullptr;
    }
    /// As the grammar's error productions word it: where (in an aggregation, say), and what would have been
    /// right.
    std::nullptr_t unexpected(std::string_view context, std::string_view expected) {
        const auto& token = current();
        if (token.type == TokenType::error) return failAt(token.start, token.text);
        auto message = "unexpected " + describe(token);
        if (context.empty() && aggregation_depth_ > 0) context = "aggregation";
        if (!context.empty()) message.append(" in ").append(context);
        if (!expected.empty()) message.append(", expected ").append(expected);
        return failAt(token.start, std::move(message));
    }

    ExprPtr make(Span span, decltype(Expr::node) node, std::size_t depth_below) {
        if (depth_below >= kMaxDepth) return failAt(span.start, "expression is nested too deeply");
        auto expr = std::make_unique<Expr>();
        expr->span = span;
        expr->depth = depth_below + 1;
        expr->node = std::move(node);
        return expr;
    }

    std::size_t lastEnd() const { return index_ > 0 ? tokens_[index_ - 1].end : 0; }

    ExprPtr expression(int min_precedence) {
        if (nesting_ >= kMaxDepth) return failAt(current().start, "expression is nested too deeply");
        ++nesting_;
        auto lhs = unaryOrPostfix();
        while (lhs) {
            const auto op = binaryOperator(current());
            if (!op || op->precedence < min_precedence) break;
            advance();
            Binary binary;
            binary.op = op->op;
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
        if (isSetOperator(binary.op)) matching.cardinality = VectorMatching::Cardinality::many_to_many;
        binary.return_bool = acceptKeyword("bool");
        if (!isKeyword("on") && !isKeyword("ignoring")) return true;
        matching.on = isKeyword("on");
        advance();
        if (!groupingLabels(matching.labels)) return false;
        if (isKeyword("group_left") || isKeyword("group_right")) {
            matching.cardinality = isKeyword("group_left") ? VectorMatching::Cardinality::many_to_one
                                                           : VectorMatching::Cardinality::one_to_many;
            advance();
            if (isSymbol("(") && !groupingLabels(matching.include)) return false;
        }
        return true;
    }

    bool groupingLabels(std::vector<std::string>& labels) {
        if (!acceptSymbol("(")) return unexpected("grouping opts", "\"(\"") != nullptr;
        while (!acceptSymbol(")")) {
            const auto& token = current();
            const bool quoted =
                token.type == TokenType::string && isValidUtf8(token.value) && !token.value.empty();
            const bool word = token.type == TokenType::identifier || token.type == TokenType::keyword ||
                              token.type == TokenType::aggregation || token.type == TokenType::word_operator;
            if (!word && !quoted) return unexpected("grouping opts", "label") != nullptr;
            labels.push_back(quoted ? token.value : token.text);
            advance();
            if (!acceptSymbol(",") && !isSymbol(")")) {
                return unexpected("grouping opts", "\",\" or \")\"") != nullptr;
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
            if (!operand) return nullptr;
            const Span span{start, operand->span.end};
            if (auto* number = operand->as<NumberLiteral>()) {
                if (negative) number->value = -number->value;
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

    ExprPtr primary() {
        const auto& token = current();
        switch (token.type) {
            case TokenType::number:
                return number();
            case TokenType::duration:
                return number();
            case TokenType::string: {
                auto expr = make({token.start, token.end}, StringLiteral{token.value}, 0);
                advance();
                return expr;
            }
            case TokenType::aggregation:
                if (next().type == TokenType::symbol && next().text == "(") return aggregate();
                if (next().type == TokenType::keyword &&
                    (next().value == "by" || next().value == "without")) {
                    return aggregate();
                }
                return selector();
            case TokenType::identifier:
                if (next().type == TokenType::symbol && next().text == "(") return call();
                return selector();
            case TokenType::metric_identifier:
                return selector();
            case TokenType::keyword:
                if (token.value == "bool" || token.value == "on" || token.value == "ignoring" ||
                    token.value == "group_left" || token.value == "group_right" || token.value == "without") {
                    return unexpected("", "");
                }
                return selector();
            case TokenType::word_operator:
                if (token.value == "atan2") return unexpected("", "");
                return selector();
            case TokenType::symbol:
                if (token.text == "{") return selector();
                if (token.text == "(") return paren();
                return unexpected("", "");
            case TokenType::end:
            case TokenType::error:
                return unexpected("", "");
        }
        return nullptr;
    }

    ExprPtr paren() {
        const auto start = current().start;
        advance();
        auto inner = expression(0);
        if (!inner) return nullptr;
        if (!acceptSymbol(")")) return unexpected("", "");
        const auto depth = inner->depth;
        return make({start, lastEnd()}, Paren{std::move(inner)}, depth);
    }

    ExprPtr number() {
        const auto& token = current();
        NumberLiteral literal;
        if (!literalValue(token, literal)) return nullptr;
        advance();
        return make({token.start, token.end}, literal, 0);
    }

    bool literalValue(const Token& token, NumberLiteral& literal) {
        if (token.type == TokenType::duration) {
            long long ms = 0;
            if (!parseDuration(token.text, ms)) {
                return failAt(token.start, "not a valid duration string: " + quote(token.text)) != nullptr;
            }
            literal = {static_cast<double>(ms) / 1000, true};
            return true;
        }
        const auto value = parseNumber(token.text);
        if (!value) return failAt(token.start, "error parsing number: " + quote(token.text)) != nullptr;
        literal = {*value, false};
        return true;
    }

    /// A duration, or a number of seconds; false after a failure.
    bool duration(std::int64_t& ms) {
        NumberLiteral literal;
        if (!literalValue(current(), literal)) return false;
        const double exact = std::round(literal.value * 1000);
        if (!(std::abs(exact) < 9.2e15)) return failAt(current().start, "duration out of range") != nullptr;
        ms = static_cast<std::int64_t>(exact);
        advance();
        return true;
    }
    bool isDuration() const {
        return current().type == TokenType::duration || current().type == TokenType::number;
    }
    bool positiveDuration(std::int64_t& ms) {
        const auto start = current().start;
        if (!duration(ms)) return false;
        if (ms <= 0) return failAt(start, "duration must be greater than 0") != nullptr;
        return true;
    }

    static TimeModifiers* timeOf(Expr& expr) {
        if (auto* vector = expr.as<VectorSelector>()) return &vector->time;
        if (auto* matrix = expr.as<MatrixSelector>()) return &matrix->selector.time;
        if (auto* subquery = expr.as<Subquery>()) return &subquery->time;
        return nullptr;
    }

    ExprPtr offset(ExprPtr expr) {
        advance();
        const bool negative = isSymbol("-");
        if (negative || isSymbol("+")) advance();
        if (!isDuration()) return unexpected("offset", "duration");
        std::int64_t ms = 0;
        if (!duration(ms)) return nullptr;
        auto* time = timeOf(*expr);
        if (time == nullptr) {
            return failAt(expr->span.start,
                          "offset modifier must be preceded by an instant vector selector or range vector "
                          "selector or a "
                          "subquery");
        }
        if (time->offset_ms != 0) return failAt(expr->span.start, "offset may not be set multiple times");
        time->offset_ms = negative ? -ms : ms;
        expr->span.end = lastEnd();
        return expr;
    }

    ExprPtr at(ExprPtr expr) {
        advance();
        auto* time = timeOf(*expr);
        const bool set = time != nullptr && time->at != TimeModifiers::At::none;
        TimeModifiers wanted;
        if (isKeyword("start") || isKeyword("end")) {
            wanted.at = isKeyword("start") ? TimeModifiers::At::start : TimeModifiers::At::end;
            advance();
            if (!acceptSymbol("(") || !acceptSymbol(")")) return unexpected("@", "timestamp");
        } else {
            const bool negative = isSymbol("-");
            if (negative || isSymbol("+")) advance();
            if (!isDuration()) return unexpected("@", "timestamp");
            const auto start = current().start;
            NumberLiteral literal;
            if (!literalValue(current(), literal)) return nullptr;
            advance();
            const double ms = std::round((negative ? -literal.value : literal.value) * 1000);
            if (!(std::abs(ms) < 9.2e18)) {
                return failAt(start,
                              "timestamp out of bounds for @ modifier: " + formatNumber(literal.value));
            }
            wanted.at = TimeModifiers::At::timestamp;
            wanted.timestamp = static_cast<TimestampMs>(ms);
        }
        if (time == nullptr) {
            return failAt(
                expr->span.start,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a "
                "subquery");
        }
        if (set) return failAt(expr->span.start, "@ <timestamp> may not be set multiple times");
        time->at = wanted.at;
        time->timestamp = wanted.timestamp;
        expr->span.end = lastEnd();
        return expr;
    }

    ExprPtr rangeOrSubquery(ExprPtr expr) {
        const auto bracket = current().start;
        advance();
        if (!isDuration()) return unexpected("subquery selector", "duration");
        std::int64_t range = 0;
        if (!positiveDuration(range)) return nullptr;
        if (acceptSymbol("]")) {
            auto* selected = expr->as<VectorSelector>();
            if (selected == nullptr) return failAt(bracket, "ranges only allowed for vector selectors");
            if (selected->time.offset_ms != 0)
                return failAt(bracket, "no offset modifiers allowed before range");
            if (selected->time.at != TimeModifiers::At::none) {
                return failAt(bracket, "no @ modifiers allowed before range");
            }
            return make({expr->span.start, lastEnd()}, MatrixSelector{std::move(*selected), range}, 0);
        }
        if (!acceptSymbol(":")) return unexpected("subquery or range", "\":\" or \"]\"");
        Subquery subquery;
        subquery.range_ms = range;
        if (isDuration()) {
            if (!positiveDuration(subquery.step_ms)) return nullptr;
            if (!acceptSymbol("]")) return unexpected("subquery selector", "\"]\"");
        } else if (!acceptSymbol("]")) {
            return unexpected("subquery selector", "duration or \"]\"");
        }
        const Span span{expr->span.start, lastEnd()};
        const auto depth = expr->depth;
        subquery.inner = std::move(expr);
        return make(span, std::move(subquery), depth);
    }

    /// The arguments between parentheses; the depth of the deepest.
    bool arguments(std::vector<ExprPtr>& out, std::size_t& depth) {
        if (!acceptSymbol("(")) return unexpected("", "") != nullptr;
        if (acceptSymbol(")")) return true;
        while (true) {
            auto argument = expression(0);
            if (!argument) return false;
            depth = std::max(depth, argument->depth);
            out.push_back(std::move(argument));
            if (acceptSymbol(")")) return true;
            const auto comma = current().start;
            if (!acceptSymbol(",")) return unexpected("", "") != nullptr;
            if (isSymbol(")"))
                return failAt(comma, "trailing commas not allowed in function call args") != nullptr;
        }
    }

    ExprPtr call() {
        const auto& name = current();
        Call result;
        result.function = findFunction(name.text);
        if (result.function == nullptr) {
            return failAt(name.start, "unknown function with name " + quote(name.text));
        }
        advance();
        std::size_t depth = 0;
        if (!arguments(result.arguments, depth)) return nullptr;
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
        ++aggregation_depth_;
        const bool before = isGrouping();
        if (before && !grouping(result)) return nullptr;
        std::vector<ExprPtr> operands;
        std::size_t depth = 0;
        if (!arguments(operands, depth)) return nullptr;
        if (!before && isGrouping() && !grouping(result)) return nullptr;
        --aggregation_depth_;
        const Span span{name.start, lastEnd()};
        if (operands.empty()) return failAt(name.start, "no arguments for aggregate expression provided");
        const std::size_t wanted = aggregationHasParameter(result.op) ? 2 : 1;
        if (operands.size() != wanted) {
            return failAt(name.start,
                          "wrong number of arguments for aggregate expression provided, expected " +
                              std::to_string(wanted) + ", got " + std::to_string(operands.size()));
        }
        result.operand = std::move(operands.back());
        if (wanted == 2) result.parameter = std::move(operands.front());
        return make(span, std::move(result), depth);
    }

    ExprPtr selector() {
        const auto& first = current();
        const auto start = first.start;
        VectorSelector result;
        const bool word = first.type == TokenType::identifier || first.type == TokenType::metric_identifier ||
                          first.type == TokenType::keyword || first.type == TokenType::aggregation ||
                          first.type == TokenType::word_operator;
        if (word) {
            result.name = first.text;
            advance();
        } else if (!isSymbol("{")) {
            return unexpected("", "");
        }
        if (isSymbol("{") && !matchers(result)) return nullptr;
        if (!result.name.empty()) {
            for (const auto& matcher : result.matchers) {
                if (matcher.name() == "__name__") {
                    return failAt(start, "metric name must not be set twice: " + quote(result.name) + " or " +
                                             quote(matcher.value()));
                }
            }
            if (!addMatcher(result, start, Matcher::Type::equal, "__name__", result.name)) return nullptr;
        }
        return make({start, lastEnd()}, std::move(result), 0);
    }

    bool addMatcher(VectorSelector& out, std::size_t position, Matcher::Type type, std::string name,
                    std::string value) {
        auto matcher = Matcher::create(type, std::move(name), std::move(value));
        if (!matcher) return failAt(position, matcher.error().message) != nullptr;
        out.matchers.push_back(std::move(*matcher));
        return true;
    }

    bool matchers(VectorSelector& out) {
        advance();
        while (!acceptSymbol("}")) {
            const auto& label = current();
            const bool quoted = label.type == TokenType::string;
            if (label.type != TokenType::identifier && !quoted) {
                return unexpected("label matching", "identifier or \"}\"") != nullptr;
            }
            if (quoted && !isValidUtf8(label.value))
                return failAt(label.start, "invalid UTF-8 in a name") != nullptr;
            advance();
            if (quoted && (isSymbol(",") || isSymbol("}"))) {
                if (!out.name.empty()) {
                    return failAt(label.start, "metric name must not be set twice: " + quote(out.name) +
                                                   " or " + quote(label.value)) != nullptr;
                }
                out.name = label.value;
            } else if (!matcher(label, out)) {
                return false;
            }
            if (!acceptSymbol(",") && !isSymbol("}")) {
                return unexpected("label matching", "\",\" or \"}\"") != nullptr;
            }
        }
        return true;
    }

    bool matcher(const Token& label, VectorSelector& out) {
        Matcher::Type type = Matcher::Type::equal;
        if (isSymbol("=")) {
            type = Matcher::Type::equal;
        } else if (isSymbol("!=")) {
            type = Matcher::Type::not_equal;
        } else if (isSymbol("=~")) {
            type = Matcher::Type::regex;
        } else if (isSymbol("!~")) {
            type = Matcher::Type::not_regex;
        } else {
            return unexpected("label matching", "label matching operator") != nullptr;
        }
        advance();
        if (current().type != TokenType::string) return unexpected("label matching", "string") != nullptr;
        const auto name = label.type == TokenType::string ? label.value : label.text;
        if (!addMatcher(out, label.start, type, name, current().value)) return false;
        advance();
        return true;
    }

    std::string_view query_;
    std::vector<Token> tokens_;
    std::size_t index_ = 0;
    std::size_t nesting_ = 0;
    int aggregation_depth_ = 0;
    std::size_t failure_position_ = 0;
    std::string failure_;
};

}  // namespace

Expected<ExprPtr> parse(std::string_view query) {
    return Parser(query).run();
}

Expected<storage::Matchers> parseSelector(std::string_view text) {
    return Parser(text).runSelector();
}

Expected<std::string> canonical(std::string_view query) {
    auto expr = parse(query);
    if (!expr) return tl::unexpected<Error>(expr.error());
    return print(**expr);
}

}  // namespace lapwing::promql
