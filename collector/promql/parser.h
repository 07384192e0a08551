#pragma once

#include <string_view>

#include "collector/promql/ast.h"
#include "common/error.h"

namespace lapwing::promql {

/// Parses and checks types. Errors are `invalid`, worded as Prometheus words them: "1:3: parse error:
/// unexpected end of input" (line:column, in bytes, counted from one). The language is that of Prometheus
/// 2.42 plus that of 3: durations in place of numbers and the reverse, quoted names in braces, limitk and
/// limit_ratio. Beyond the thread's QueryLimits it fails, or throws std::bad_alloc.
Expected<ExprPtr> parse(std::string_view query);

/// Checks the types of operands, arguments and modifiers. parse() uses it.
struct CheckFailure {
    std::size_t position = 0;
    std::string message;
};
std::optional<CheckFailure> checkTypes(const Expr& expr);

}  // namespace lapwing::promql
