#include "collector/promql/selector_parser.h"

#include <cmath>
#include <utility>

#include "collector/limits/query_limits.h"
#include "collector/promql/numbers.h"
#include "collector/promql/parser.h"

namespace lapwing::promql {

using storage::Matcher;

namespace {

constexpr std::string_view kOffset = "offset";

}  // namespace

Expected<storage::Matchers> SelectorParser::runSelector() {
    if (current().type == TokenType::end) {
        return nothing();
    }
    auto expr = selector();
    if (expr && current().type != TokenType::end) {
        unexpected("", "");
        expr.reset();
    }
    if (!expr) {
        return failure();
    }
    return std::move(expr->as<VectorSelector>()->matchers);
}

bool SelectorParser::groupingLabels(std::vector<std::string>& labels) {
    if (!acceptSymbol("(")) {
        return unexpected("grouping opts", "\"(\"");
    }
    while (!acceptSymbol(")")) {
        const auto& token = current();
        const bool quoted = token.type == TokenType::string;
        if (!token.isLabelName() && !quoted) {
            return unexpected("grouping opts", "label");
        }
        if (quoted && (token.value.empty() || !isValidUtf8(token.value))) {
            return failAt(token.start, "invalid label name for grouping: " + quote(token.value));
        }
        labels.push_back(quoted ? token.value : token.text);
        advance();
        if (!acceptSymbol(",") && !isSymbol(")")) {
            return unexpected("grouping opts", "\",\" or \")\"");
        }
    }
    return true;
}

bool SelectorParser::literalValue(const Token& token, NumberLiteral& literal) {
    if (token.type == TokenType::duration) {
        const auto ms = parseDuration(token.text);
        if (!ms) {
            return failAt(token.start, ms.error().message);
        }
        literal = {static_cast<double>(*ms) / 1000, true};
        return true;
    }
    const auto value = parseNumber(token.text);
    if (!value) {
        // Every decimal number that the lexer accepts is valid here unless it is too large.
        const bool hex = token.text.starts_with("0x") || token.text.starts_with("0X");
        return failAt(token.start, "error parsing number: strconv.ParseFloat: parsing " + quote(token.text) +
                                       (hex ? ": invalid syntax" : ": value out of range"));
    }
    literal = {*value, false};
    return true;
}

bool SelectorParser::duration(std::string_view context, std::string_view expected, std::int64_t& ms) {
    const auto sign = current().start;
    const bool negative = isSymbol("-");
    if (negative || isSymbol("+")) {
        advance();
    }
    const bool parenthesis = acceptSymbol("(");
    if (!isDuration()) {
        return unexpected(context, expected);
    }
    const auto start = current().start;
    NumberLiteral literal;
    if (!literalValue(current(), literal)) {
        return false;
    }
    advance();
    // Inside brackets an operator can only belong to the duration.
    const bool operation = context != kOffset && binaryOperator(current());
    if (parenthesis || operation) {
        return failAt(start, "experimental duration expression is not enabled");
    }
    const double exact = std::round(literal.value * 1000);
    if (!(std::abs(exact) < 9.2e15)) {
        return failAt(sign, "duration out of range");
    }
    ms = static_cast<std::int64_t>(negative ? -exact : exact);
    return true;
}

bool SelectorParser::positiveDuration(std::string_view expected, std::int64_t& ms) {
    const auto start = current().start;
    if (!duration("subquery selector", expected, ms)) {
        return false;
    }
    if (ms <= 0) {
        return failAt(start, "duration must be greater than 0");
    }
    return true;
}

TimeModifiers* SelectorParser::timeOf(Expr& expr) {
    if (auto* vector = expr.as<VectorSelector>()) {
        return &vector->time;
    }
    if (auto* matrix = expr.as<MatrixSelector>()) {
        return &matrix->selector.time;
    }
    if (auto* subquery = expr.as<Subquery>()) {
        return &subquery->time;
    }
    return nullptr;
}

ExprPtr SelectorParser::offset(ExprPtr expr) {
    advance();
    std::int64_t ms = 0;
    if (!duration(kOffset, "number or duration", ms)) {
        return nullptr;
    }
    auto* time = timeOf(*expr);
    if (time == nullptr) {
        return failAt(expr->span.start,
                      "offset modifier must be preceded by an instant vector selector or range vector "
                      "selector or a "
                      "subquery");
    }
    if (time->offset_ms != 0) {
        return failAt(expr->span.start, "offset may not be set multiple times");
    }
    time->offset_ms = ms;
    expr->span.end = lastEnd();
    return expr;
}

ExprPtr SelectorParser::at(ExprPtr expr) {
    advance();
    auto* time = timeOf(*expr);
    const bool set = time != nullptr && time->at != TimeModifiers::At::none;
    TimeModifiers wanted;
    if (isKeyword("start") || isKeyword("end")) {
        wanted.at = isKeyword("start") ? TimeModifiers::At::start : TimeModifiers::At::end;
        advance();
        if (!acceptSymbol("(") || !acceptSymbol(")")) {
            return unexpected("@", "timestamp");
        }
    } else {
        const bool negative = isSymbol("-");
        if (negative || isSymbol("+")) {
            advance();
        }
        if (!isDuration()) {
            return unexpected("@", "timestamp");
        }
        NumberLiteral literal;
        if (!literalValue(current(), literal)) {
            return nullptr;
        }
        advance();
        if (negative) {
            literal.value = -literal.value;
        }
        const double ms = std::round(literal.value * 1000);
        if (!(std::abs(ms) < static_cast<double>(kMostTime))) {
            const bool finite = std::isfinite(literal.value);
            return failAt(expr->span.start,
                          "timestamp out of bounds for @ modifier: " +
                              (finite ? std::to_string(literal.value) : formatNumber(literal.value)));
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
    if (set) {
        return failAt(expr->span.start, "@ <timestamp> may not be set multiple times");
    }
    time->at = wanted.at;
    time->timestamp = wanted.timestamp;
    expr->span.end = lastEnd();
    return expr;
}

ExprPtr SelectorParser::selector() {
    const auto& first = current();
    const auto start = first.start;
    VectorSelector result;
    if (first.isMetricName()) {
        result.name = first.text;
        advance();
    } else if (!isSymbol("{")) {
        return unexpected("", "");
    }
    if (isSymbol("{") && !matchers(result)) {
        return nullptr;
    }
    if (!result.name.empty()) {
        for (const auto& matcher : result.matchers) {
            if (matcher.name() == "__name__") {
                return failAt(start, "metric name must not be set twice: " + quote(result.name) + " or " +
                                         quote(matcher.value()));
            }
        }
        if (!addMatcher(result, start, Matcher::Type::equal, "__name__", result.name)) {
            return nullptr;
        }
    }
    return make({start, lastEnd()}, std::move(result), 0);
}

bool SelectorParser::addMatcher(VectorSelector& out, std::size_t position, Matcher::Type type,
                                std::string name, std::string value) {
    auto matcher = Matcher::create(type, std::move(name), std::move(value));
    // A regular expression may take milliseconds to compile.
    if (auto go_on = QueryLimits::check(); !go_on) {
        return failAt(position, go_on.error().message);
    }
    if (!matcher) {
        return failAt(position, matcher.error().message);
    }
    out.matchers.push_back(std::move(*matcher));
    return true;
}

bool SelectorParser::matchers(VectorSelector& out) {
    advance();
    while (!acceptSymbol("}")) {
        const auto& label = current();
        if (label.type != TokenType::identifier && label.type != TokenType::string) {
            return unexpected("label matching", "identifier or \"}\"");
        }
        advance();
        if (!matcher(label, out)) {
            return false;
        }
        if (!acceptSymbol(",") && !isSymbol("}")) {
            return unexpected("label matching", "\",\" or \"}\"");
        }
    }
    return true;
}

std::optional<Matcher::Type> SelectorParser::matchOperator() const {
    if (isSymbol("=")) {
        return Matcher::Type::equal;
    }
    if (isSymbol("!=")) {
        return Matcher::Type::not_equal;
    }
    if (isSymbol("=~")) {
        return Matcher::Type::regex;
    }
    if (isSymbol("!~")) {
        return Matcher::Type::not_regex;
    }
    return std::nullopt;
}

bool SelectorParser::matcher(const Token& label, VectorSelector& out) {
    const bool quoted = label.type == TokenType::string;
    const auto type = matchOperator();
    // A quoted string alone is the metric's name.
    if (!type && quoted) {
        return addMatcher(out, label.start, Matcher::Type::equal, "__name__", label.value);
    }
    if (!type) {
        return unexpected("label matching", "label matching operator");
    }
    advance();
    if (current().type != TokenType::string) {
        return unexpected("label matching", "string");
    }
    if (!addMatcher(out, label.start, *type, quoted ? label.value : label.text, current().value)) {
        return false;
    }
    advance();
    return true;
}

}  // namespace lapwing::promql
