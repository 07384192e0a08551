#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "collector/storage/queryable.h"

namespace lapwing::promql {

/// The four types of PromQL; `none` for an expression that did not parse.
enum class ValueType { none, scalar, string, vector, matrix };

/// As Prometheus names them in its messages: "instant vector".
const char* valueTypeName(ValueType type);

enum class Operator {
    add,
    sub,
    mul,
    div,
    mod,
    pow,
    atan2,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    land,
    lor,
    lunless,
};

const char* operatorText(Operator op);
bool isComparison(Operator op);
bool isSetOperator(Operator op);

enum class Aggregation {
    sum,
    avg,
    min,
    max,
    group,
    count,
    stddev,
    stdvar,
    topk,
    bottomk,
    quantile,
    count_values,
    limitk,
    limit_ratio,
};

const char* aggregationText(Aggregation op);
bool aggregationHasParameter(Aggregation op);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// Limit of the times in a query, in milliseconds before and after 1970: small enough that no sum of a time
/// with the ranges and offsets of nested subqueries overflows.
inline constexpr TimestampMs kMostTime = 4'000'000'000'000'000'000;

/// Byte positions in the query, end exclusive.
struct Span {
    std::size_t start = 0;
    std::size_t end = 0;
};

struct NumberLiteral {
    double value = 0;
    bool is_duration = false;  ///< written as a duration (`5m`), and printed as one
};

struct StringLiteral {
    std::string value;
};

struct Paren {
    ExprPtr inner;
};

struct Unary {
    bool negative = false;
    ExprPtr operand;
};

/// How the series of two vectors are matched.
struct VectorMatching {
    enum class Cardinality { one_to_one, many_to_one, one_to_many, many_to_many };
    Cardinality cardinality = Cardinality::one_to_one;
    bool on = false;                   ///< `on (labels)`; otherwise `ignoring (labels)`
    std::vector<std::string> labels;   ///< the labels of on or ignoring
    std::vector<std::string> include;  ///< the labels of group_left or group_right
};

struct Binary {
    Operator op = Operator::add;
    std::size_t op_position = 0;
    bool return_bool = false;
    VectorMatching matching;
    ExprPtr lhs;
    ExprPtr rhs;
};

struct Aggregate {
    Aggregation op = Aggregation::sum;
    bool without = false;
    std::vector<std::string> grouping;
    ExprPtr parameter;  ///< null for aggregations without a parameter
    ExprPtr operand;
};

struct FunctionSignature;

struct Call {
    const FunctionSignature* function = nullptr;
    std::vector<ExprPtr> arguments;
};

/// `offset 5m` and `@ 1700000000`, `@ start()`, `@ end()`.
struct TimeModifiers {
    enum class At { none, timestamp, start, end };
    std::int64_t offset_ms = 0;
    At at = At::none;
    TimestampMs timestamp = 0;
};

struct VectorSelector {
    std::string name;            ///< the metric's name if it stands before the braces
    storage::Matchers matchers;  ///< all matchers; the name's matcher is the last
    TimeModifiers time;
};

struct MatrixSelector {
    VectorSelector selector;
    std::int64_t range_ms = 0;
};

struct Subquery {
    ExprPtr inner;
    std::int64_t range_ms = 0;
    std::int64_t step_ms = 0;  ///< 0: the engine's default interval
    TimeModifiers time;
};

struct Expr {
    Span span;
    std::size_t depth = 1;  ///< of the tree below, including this node
    std::variant<NumberLiteral, StringLiteral, Paren, Unary, Binary, Aggregate, Call, VectorSelector,
                 MatrixSelector, Subquery>
        node;

    template <class T>
    const T* as() const {
        return std::get_if<T>(&node);
    }
    template <class T>
    T* as() {
        return std::get_if<T>(&node);
    }
    ValueType type() const;
};

/// The expression without enclosing parentheses.
const Expr& unwrapParens(const Expr& expr);

/// Whether the expression gives the same result at every step, because `@` fixes all its selectors.
bool isStepInvariant(const Expr& expr);

/// Prometheus' canonical form, on one line.
std::string print(const Expr& expr);

/// `1h30m`, as Prometheus prints durations; "0s" for zero.
std::string printDuration(std::int64_t ms);

}  // namespace lapwing::promql
