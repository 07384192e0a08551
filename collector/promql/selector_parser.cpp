#include "collector/promql/selector_parser.h"

#include <cmath>
#include <utility>

#include "collector/promql/numbers.h"
#include "collector/promql/parser.h"

namespace lapwing::promql {

using storage::Matcher;

Expected<storage::Matchers> SelectorParser::runSelector() {
    if (current().type == TokenType::end) return error(0, "no expression found in input");
    auto expr = selector();
    if (expr && current().type != TokenType::end) {
        unexpected("", "");
        expr.reset();
    }
    if (!expr) return failure();
    return std::move(expr->as<VectorSelector>()->matchers);
}

bool SelectorParser::groupingLabels(std::vector<std::string>& labels) {
    if (!acceptSymbol("(")) return unexpected("grouping opts", "\"(\"");
    while (!acceptSymbol(")")) {
        const auto& token = current();
        const bool quoted =
            token.type == TokenType::string && isValidUtf8(token.value) && !token.value.empty();
        if (!token.isLabelName() && !quoted) return unexpected("grouping opts", "label");
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
        long long ms = 0;
        if (!parseDuration(token.text, ms)) {
            return failAt(token.start, "not a valid duration string: " + quote(token.text));
        }
        literal = {static_cast<double>(ms) / 1000, true};
        return true;
    }
    const auto value = parseNumber(token.text);
    if (!value)
        return failAt(token.start, "error parsing number: strconv.ParseFloat: parsing " + quote(token.text) +
                                       ": invalid syntax");
    literal = {*value, false};
    return true;
}

bool SelectorParser::duration(std::int64_t& ms) {
    NumberLiteral literal;
    if (!literalValue(current(), literal)) return false;
    const double exact = std::round(literal.value * 1000);
    if (!(std::abs(exact) < 9.2e15)) return failAt(current().start, "duration out of range");
    ms = static_cast<std::int64_t>(exact);
    advance();
    return true;
}

bool SelectorParser::positiveDuration(std::int64_t& ms) {
    const auto start = current().start;
    if (!duration(ms)) return false;
    if (ms <= 0) return failAt(start, "duration must be greater than 0");
    return true;
}

TimeModifiers* SelectorParser::timeOf(Expr& expr) {
    if (auto* vector = expr.as<VectorSelector>()) return &vector->time;
    if (auto* matrix = expr.as<MatrixSelector>()) return &matrix->selector.time;
    if (auto* subquery = expr.as<Subquery>()) return &subquery->time;
    return nullptr;
}

ExprPtr SelectorParser::offset(ExprPtr expr) {
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

ExprPtr SelectorParser::at(ExprPtr expr) {
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
        if (!(std::abs(ms) < static_cast<double>(kMostTime))) {
            return failAt(start, "timestamp out of bounds for @ modifier: " + formatNumber(literal.value));
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

bool SelectorParser::addMatcher(VectorSelector& out, std::size_t position, Matcher::Type type,
                                std::string name, std::string value) {
    auto matcher = Matcher::create(type, std::move(name), std::move(value));
    if (!matcher) return failAt(position, matcher.error().message);
    out.matchers.push_back(std::move(*matcher));
    return true;
}

bool SelectorParser::matchers(VectorSelector& out) {
    advance();
    while (!acceptSymbol("}")) {
        const auto& label = current();
        const bool quoted = label.type == TokenType::string;
        if (label.type != TokenType::identifier && !quoted) {
            return unexpected("label matching", "identifier or \"}\"");
        }
        if (quoted && !isValidUtf8(label.value)) return failAt(label.start, "invalid UTF-8 in a name");
        advance();
        if (quoted && (isSymbol(",") || isSymbol("}"))) {
            if (!out.name.empty()) {
                return failAt(label.start, "metric name must not be set twice: " + quote(out.name) + " or " +
                                               quote(label.value));
            }
            out.name = label.value;
        } else if (!matcher(label, out)) {
            return false;
        }
        if (!acceptSymbol(",") && !isSymbol("}")) {
            return unexpected("label matching", "\",\" or \"}\"");
        }
    }
    return true;
}

bool SelectorParser::matcher(const Token& label, VectorSelector& out) {
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
        return unexpected("label matching", "label matching operator");
    }
    advance();
    if (current().type != TokenType::string) return unexpected("label matching", "string");
    const auto name = label.type == TokenType::string ? label.value : label.text;
    if (!addMatcher(out, label.start, type, name, current().value)) return false;
    advance();
    return true;
}

}  // namespace lapwing::promql
