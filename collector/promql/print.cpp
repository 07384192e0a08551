#include <algorithm>
#include <array>

#include "collector/promql/ast.h"
#include "collector/promql/numbers.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

std::string labelName(const std::string& name) {
    return isValidLabelName(name) ? name : quote(name);
}

std::string join(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) {
        if (!out.empty()) {
            out += ", ";
        }
        out += labelName(name);
    }
    return out;
}

std::string printTime(const TimeModifiers& time) {
    std::string out;
    if (time.at == TimeModifiers::At::start) {
        out += " @ start()";
    }
    if (time.at == TimeModifiers::At::end) {
        out += " @ end()";
    }
    if (time.at == TimeModifiers::At::timestamp) {
        std::array<char, 48> text{};
        std::snprintf(text.data(), text.size(), " @ %.3f", static_cast<double>(time.timestamp) / 1000);
        out += text.data();
    }
    if (time.offset_ms > 0) {
        out += " offset " + printDuration(time.offset_ms);
    }
    if (time.offset_ms < 0) {
        out += " offset -" + printDuration(-time.offset_ms);
    }
    return out;
}

/// Without the time modifiers, because a matrix selector prints its range before them.
std::string printSelector(const VectorSelector& selector) {
    std::vector<std::string> inside;
    for (const auto& matcher : selector.matchers) {
        if (!selector.name.empty() && matcher.name() == "__name__") {
            continue;
        }
        inside.push_back(labelName(matcher.name()) + storage::operatorOf(matcher.type()) +
                         quote(matcher.value()));
    }
    std::sort(inside.begin(), inside.end());
    std::string out;
    for (const auto& matcher : inside) {
        out += (out.empty() ? "" : ",") + matcher;
    }
    if (!out.empty() || selector.name.empty()) {
        out = '{' + out + '}';
    }
    return selector.name + out;
}

std::string printNode(const NumberLiteral& number) {
    if (number.is_duration) {
        const auto ms = static_cast<std::int64_t>(number.value * 1000 + (number.value < 0 ? -0.5 : 0.5));
        return ms < 0 ? "-" + printDuration(-ms) : printDuration(ms);
    }
    return formatPlain(number.value);
}

std::string printNode(const StringLiteral& text) {
    return quote(text.value);
}

std::string printNode(const Paren& paren) {
    return "(" + print(*paren.inner) + ")";
}

std::string printNode(const Unary& unary) {
    return (unary.negative ? "-" : "+") + print(*unary.operand);
}

std::string printNode(const Binary& binary) {
    using Cardinality = VectorMatching::Cardinality;
    const auto& matching = binary.matching;
    std::string out = print(*binary.lhs) + " " + operatorText(binary.op);
    if (binary.return_bool) {
        out += " bool";
    }
    const bool vectors = binary.lhs->type() == ValueType::vector && binary.rhs->type() == ValueType::vector;
    if (vectors && (!matching.labels.empty() || matching.on)) {
        out += (matching.on ? " on (" : " ignoring (") + join(matching.labels) + ")";
    }
    if (matching.cardinality == Cardinality::many_to_one) {
        out += " group_left (" + join(matching.include) + ")";
    }
    if (matching.cardinality == Cardinality::one_to_many) {
        out += " group_right (" + join(matching.include) + ")";
    }
    return out + " " + print(*binary.rhs);
}

std::string printNode(const Aggregate& aggregate) {
    std::string out = aggregationText(aggregate.op);
    if (aggregate.without) {
        out += " without (" + join(aggregate.grouping) + ") ";
    } else if (!aggregate.grouping.empty()) {
        out += " by (" + join(aggregate.grouping) + ") ";
    }
    out += "(";
    if (aggregate.parameter) {
        out += print(*aggregate.parameter) + ", ";
    }
    return out + print(*aggregate.operand) + ")";
}

std::string printNode(const Call& call) {
    std::string out = std::string(call.function->name) + "(";
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        if (i > 0) {
            out += ", ";
        }
        out += print(*call.arguments[i]);
    }
    return out + ")";
}

std::string printNode(const VectorSelector& selector) {
    return printSelector(selector) + printTime(selector.time);
}

std::string printNode(const MatrixSelector& matrix) {
    return printSelector(matrix.selector) + "[" + printDuration(matrix.range_ms) + "]" +
           printTime(matrix.selector.time);
}

std::string printNode(const Subquery& subquery) {
    const auto step = subquery.step_ms > 0 ? printDuration(subquery.step_ms) : std::string();
    return print(*subquery.inner) + "[" + printDuration(subquery.range_ms) + ":" + step + "]" +
           printTime(subquery.time);
}

}  // namespace

std::string print(const Expr& expr) {
    return std::visit([](const auto& node) { return printNode(node); }, expr.node);
}

}  // namespace lapwing::promql
