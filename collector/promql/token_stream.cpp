#include "collector/promql/token_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "collector/limits/query_limits.h"

namespace lapwing::promql {
namespace {

struct NamedOperator {
    std::string_view name;
    BinaryOperator op;
};
constexpr std::array<NamedOperator, 16> kOperators = {{
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
}};

/// How "unexpected ..." names a token.
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
            if (binaryOperator(token) || token.text == "=~" || token.text == "!~") {
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
    if (token.text.size() > 10) {
        return kind + quote(std::string_view(token.text).substr(0, 10)) + "...";
    }
    return kind + quote(token.text);
}

}  // namespace

std::optional<BinaryOperator> binaryOperator(const Token& token) {
    if (token.type != TokenType::symbol && token.type != TokenType::word_operator) {
        return std::nullopt;
    }
    const std::string_view text = token.type == TokenType::symbol ? token.text : token.value;
    for (const auto& [name, op] : kOperators) {
        if (name == text) {
            return op;
        }
    }
    return std::nullopt;
}

bool TokenStream::acceptSymbol(std::string_view text) {
    if (!isSymbol(text)) {
        return false;
    }
    advance();
    return true;
}

bool TokenStream::acceptKeyword(std::string_view word) {
    if (!isKeyword(word)) {
        return false;
    }
    advance();
    return true;
}

Failed TokenStream::failAt(std::size_t position, std::string message) {
    if (failure_.empty()) {
        failure_position_ = position;
        failure_ = std::move(message);
    }
    return {};
}

Failed TokenStream::unexpected(std::string_view context, std::string_view expected) {
    const auto& token = current();
    if (token.type == TokenType::error) {
        return failAt(token.start, token.text);
    }
    auto message = "unexpected " + describe(token);
    if (context.empty() && aggregation_depth_ > 0) {
        context = "aggregation";
    }
    if (!context.empty()) {
        message.append(" in ").append(context);
    }
    if (!expected.empty()) {
        message.append(", expected ").append(expected);
    }
    return failAt(token.start, std::move(message));
}

tl::unexpected<Error> TokenStream::error(std::size_t position, const std::string& message) const {
    const auto before = query_.substr(0, std::min(position, query_.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto last_break = before.rfind('\n');
    const auto column = last_break == std::string_view::npos ? position + 1 : position - last_break;
    return fail(ErrorKind::invalid,
                std::to_string(line) + ":" + std::to_string(column) + ": parse error: " + message);
}

tl::unexpected<Error> TokenStream::nothing() const {
    const std::string message = "no expression found in input";
    if (query_.empty()) {
        return fail(ErrorKind::invalid, "unknown position: parse error: " + message);
    }
    return error(0, message);
}

ExprPtr TokenStream::make(Span span, decltype(Expr::node) node, std::size_t depth_below) {
    QueryLimits::enforceMemory();
    if (depth_below >= kMaxDepth) {
        return failAt(span.start, "expression is nested too deeply");
    }
    auto expr = std::make_unique<Expr>();
    expr->span = span;
    expr->depth = depth_below + 1;
    expr->node = std::move(node);
    return expr;
}

}  // namespace lapwing::promql
