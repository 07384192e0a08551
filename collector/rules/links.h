#pragma once

#include <string>
#include <string_view>

/// Links to expressions, as in Prometheus' alerts and templates.
namespace lapwing::rules {

/// As Go's url.QueryEscape: percent-encoding of every byte but the unreserved characters, and '+' for a
/// blank.
std::string queryEscape(std::string_view text);

enum class ExpressionTab { graph = 0, table = 1 };

/// "/graph?g0.expr=EXPRESSION&g0.tab=0"
std::string expressionPath(std::string_view expression, ExpressionTab tab);

}  // namespace lapwing::rules
