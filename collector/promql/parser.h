#pragma once

#include <string_view>

#include "collector/promql/ast.h"
#include "common/error.h"

namespace lapwing::promql {

/// Parses and checks types. Errors are `invalid`, in Prometheus' words: "1:3: parse error: unexpected end of
/// input" (line:column, counted from one in bytes). The language is that of Prometheus 2.42, and of 3:
/// durations where numbers are expected and the other way round, quoted names in braces, limitk and
/// limit_ratio.
Expected<ExprPtr> parse(std::string_view query);

/// What the types of operands, arguments and modifiers must be. Used by parse().
struct CheckFailure {
    std::size_t position = 0;
    std::string message;
};
std::optional<CheckFailure> checkTypes(const Expr& expr);

}  // namespace lapwing::promql
