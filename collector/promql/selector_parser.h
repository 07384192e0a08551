#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/promql/token_stream.h"

namespace lapwing::promql {

/// Parses the parts of an expression that contain no other expression: selectors, their modifiers,
/// durations, lists of labels.
class SelectorParser : protected TokenStream {
  public:
    explicit SelectorParser(std::string_view query) : TokenStream(query) {}

    /// Parses a whole query as a selector.
    Expected<storage::Matchers> runSelector();

  protected:
    ExprPtr selector();
    /// Parses `offset 5m` and `@ 1700000000` after an expression.
    ExprPtr offset(ExprPtr expr);
    ExprPtr at(ExprPtr expr);
    bool groupingLabels(std::vector<std::string>& labels);

    bool isDuration() const {
        return current().type == TokenType::duration || current().type == TokenType::number;
    }
    /// A duration or a number of seconds, with its sign; false after a failure.
    bool duration(std::string_view context, std::string_view expected, std::int64_t& ms);
    bool positiveDuration(std::string_view expected, std::int64_t& ms);
    bool literalValue(const Token& token, NumberLiteral& literal);

  private:
    static TimeModifiers* timeOf(Expr& expr);
    bool matchers(VectorSelector& out);
    std::optional<storage::Matcher::Type> matchOperator() const;
    bool matcher(const Token& label, VectorSelector& out);
    bool addMatcher(VectorSelector& out, std::size_t position, storage::Matcher::Type type, std::string name,
                    std::string value);
};

}  // namespace lapwing::promql
