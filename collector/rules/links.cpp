#include "collector/rules/links.h"

#include "common/text.h"

namespace lapwing::rules {

std::string queryEscape(std::string_view text) {
    std::string out;
    while (true) {
        const auto blank = text.find(' ');
        out += percentEncode(text.substr(0, blank));
        if (blank == std::string_view::npos) {
            return out;
        }
        out += '+';
        text.remove_prefix(blank + 1);
    }
}

std::string expressionPath(std::string_view expression, ExpressionTab tab) {
    return "/graph?g0.expr=" + queryEscape(expression) + "&g0.tab=" + std::to_string(static_cast<int>(tab));
}

}  // namespace lapwing::rules
