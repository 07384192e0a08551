#include "collector/promql/pretty.h"

#include "collector/promql/parser.h"
#include "collector/promql/signatures.h"

namespace lapwing::promql {
namespace {

constexpr std::size_t kLongestLine = 100;

std::string indent(std::size_t level) {
    return std::string(2 * level, ' ');
}

std::string lines(const Expr& expr, std::size_t level);

// The text between an expression's parts is cut out of its canonical form.

std::string split(const Paren& paren, const std::string&, std::size_t level) {
    return indent(level) + "(\n" + lines(*paren.inner, level + 1) + "\n" + indent(level) + ")";
}

std::string split(const Unary& unary, const std::string&, std::size_t level) {
    const std::string operand = lines(*unary.operand, level);
    return indent(level) + (unary.negative ? "-" : "+") + operand.substr(operand.find_first_not_of(' '));
}

std::string split(const Binary& binary, const std::string& canonical, std::size_t level) {
    const std::string lhs = print(*binary.lhs);
    const std::string rhs = print(*binary.rhs);
    const auto between = canonical.substr(lhs.size() + 1, canonical.size() - lhs.size() - rhs.size() - 2);
    return lines(*binary.lhs, level + 1) + "\n" + indent(level) + between + "\n" +
           lines(*binary.rhs, level + 1);
}

std::string split(const Aggregate& aggregate, const std::string& canonical, std::size_t level) {
    std::string inside = "(" + print(*aggregate.operand) + ")";
    if (aggregate.parameter) {
        inside += print(*aggregate.parameter) + ", ";
    }
    std::string out = indent(level) + canonical.substr(0, canonical.size() - inside.size()) + "(\n";
    if (aggregate.parameter) {
        out += lines(*aggregate.parameter, level + 1) + ",\n";
    }
    return out + lines(*aggregate.operand, level + 1) + "\n" + indent(level) + ")";
}

std::string split(const Call& call, const std::string&, std::size_t level) {
    std::string out = indent(level) + std::string(call.function->name) + "(\n";
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        if (i > 0) {
            out += ",\n";
        }
        out += lines(*call.arguments[i], level + 1);
    }
    return out + "\n" + indent(level) + ")";
}

std::string split(const Subquery& subquery, const std::string& canonical, std::size_t level) {
    return lines(*subquery.inner, level) + canonical.substr(print(*subquery.inner).size());
}

template <class Leaf>
std::string split(const Leaf&, const std::string& canonical, std::size_t level) {
    return indent(level) + canonical;
}

std::string lines(const Expr& expr, std::size_t level) {
    const std::string canonical = print(expr);
    if (canonical.size() <= kLongestLine) {
        return indent(level) + canonical;
    }
    return std::visit([&](const auto& node) { return split(node, canonical, level); }, expr.node);
}

}  // namespace

Expected<std::string> pretty(std::string_view query) {
    const auto expr = parse(query);
    if (!expr) {
        return fail(expr.error());
    }
    return lines(**expr, 0);
}

}  // namespace lapwing::promql
