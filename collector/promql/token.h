#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/quote.h"

namespace lapwing::promql {

enum class TokenType {
    error,
    end,
    identifier,
    metric_identifier,  ///< an identifier with a colon
    string,
    number,
    duration,
    keyword,        ///< by, without, on, ignoring, group_left, group_right, bool, offset, start, end
    aggregation,    ///< sum, topk, ...
    word_operator,  ///< and, or, unless, atan2
    symbol,         ///< punctuation and operators
};

struct Token {
    TokenType type = TokenType::end;
    std::size_t start = 0;
    std::size_t end = 0;
    /// As written. For an error: the message.
    std::string text;
    /// Lower case for keywords, aggregations and word operators; the unquoted value of a string.
    std::string value;

    /// Whether a label may have this name.
    bool isLabelName() const {
        return type == TokenType::identifier || type == TokenType::keyword ||
               type == TokenType::aggregation || type == TokenType::word_operator;
    }
    /// Whether a metric may have this name: the keywords of matching are excluded.
    bool isMetricName() const;
};

/// Splits a query as Prometheus does (context counts: braces, brackets). The last token is `end` or
/// `error`; a lexical error is reported only when the parser reaches it.
std::vector<Token> lex(std::string_view query);

/// Reads a duration such as `1h30m`, in milliseconds. Error `invalid` for other text and out of range.
Expected<std::int64_t> parseDuration(std::string_view text);

}  // namespace lapwing::promql
