#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "collector/promql/ast.h"
#include "collector/promql/token.h"
#include "common/error.h"

namespace lapwing::promql {

/// Greatest depth and length of an expression: evaluating and destroying it recurses.
inline constexpr std::size_t kMaxDepth = 400;

struct BinaryOperator {
    Operator op;
    int precedence;  ///< higher binds tighter
    bool right_associative;
};

/// The binary operator that a token is; nothing for other tokens.
std::optional<BinaryOperator> binaryOperator(const Token& token);

/// What a parsing function returns after a failure: no expression, or false.
struct Failed {
    operator ExprPtr() const { return nullptr; }
    operator bool() const { return false; }
};

/// The tokens of a query in order, and the first failure. The base of the parsers.
class TokenStream {
  protected:
    explicit TokenStream(std::string_view query) : query_(query), tokens_(lex(query)) {}

    const Token& current() const { return tokens_[index_]; }
    const Token& next() const { return tokens_[std::min(index_ + 1, tokens_.size() - 1)]; }
    void advance() {
        if (index_ + 1 < tokens_.size()) {
            ++index_;
        }
    }
    bool isSymbol(std::string_view text) const {
        return current().type == TokenType::symbol && current().text == text;
    }
    bool isKeyword(std::string_view word) const {
        return current().type == TokenType::keyword && current().value == word;
    }
    bool acceptSymbol(std::string_view text);
    bool acceptKeyword(std::string_view word);
    /// The end of the token before the current one.
    std::size_t lastEnd() const { return index_ > 0 ? tokens_[index_ - 1].end : 0; }

    /// Keeps only the first failure.
    Failed failAt(std::size_t position, std::string message);
    /// Words the failure as Prometheus' grammar does: the context (an aggregation, for example) and what
    /// was expected.
    Failed unexpected(std::string_view context, std::string_view expected);
    /// The first failure, in the form "line:column: parse error: message".
    tl::unexpected<Error> failure() const { return error(failure_position_, failure_); }
    tl::unexpected<Error> error(std::size_t position, const std::string& message) const;
    /// The query holds no token.
    tl::unexpected<Error> nothing() const;

    /// A node above others; a failure if the tree is too deep.
    ExprPtr make(Span span, decltype(Expr::node) node, std::size_t depth_below);

    /// While it lives, messages say "in aggregation" or the like.
    void enterAggregation() { ++aggregation_depth_; }
    void leaveAggregation() { --aggregation_depth_; }

  private:
    std::string_view query_;
    std::vector<Token> tokens_;
    std::size_t index_ = 0;
    int aggregation_depth_ = 0;
    std::size_t failure_position_ = 0;
    std::string failure_;
};

}  // namespace lapwing::promql
