#include "collector/promql/signatures.h"

#include <algorithm>

namespace lapwing::promql {
namespace {

constexpr auto kScalar = ValueType::scalar;
constexpr auto kString = ValueType::string;
constexpr auto kVector = ValueType::vector;
constexpr auto kMatrix = ValueType::matrix;

const std::vector<FunctionSignature>& table() {
    static const std::vector<FunctionSignature> functions_by_name = [] {
        std::vector<FunctionSignature> functions = {
            {"clamp", {kVector, kScalar, kScalar}},
            {"clamp_max", {kVector, kScalar}},
            {"clamp_min", {kVector, kScalar}},
            {"double_exponential_smoothing", {kMatrix, kScalar, kScalar}},
            {"histogram_fraction", {kScalar, kScalar, kVector}},
            {"histogram_quantile", {kScalar, kVector}},
            {"holt_winters", {kMatrix, kScalar, kScalar}},
            {"label_join", {kVector, kString, kString, kString}, -1},
            {"label_replace", {kVector, kString, kString, kString, kString}},
            {"pi", {}, 0, kScalar},
            {"predict_linear", {kMatrix, kScalar}},
            {"quantile_over_time", {kScalar, kMatrix}},
            {"round", {kVector, kScalar}, 1},
            {"scalar", {kVector}, 0, kScalar},
            {"sort_by_label", {kVector, kString}, -1},
            {"sort_by_label_desc", {kVector, kString}, -1},
            {"time", {}, 0, kScalar},
            {"vector", {kScalar}},
        };
        for (const auto* name : {"abs",
                                 "absent",
                                 "acos",
                                 "acosh",
                                 "asin",
                                 "asinh",
                                 "atan",
                                 "atanh",
                                 "ceil",
                                 "cos",
                                 "cosh",
                                 "deg",
                                 "exp",
                                 "floor",
                                 "histogram_avg",
                                 "histogram_count",
                                 "histogram_stddev",
                                 "histogram_stdvar",
                                 "histogram_sum",
                                 "ln",
                                 "log10",
                                 "log2",
                                 "rad",
                                 "sgn",
                                 "sin",
                                 "sinh",
                                 "sort",
                                 "sort_desc",
                                 "sqrt",
                                 "tan",
                                 "tanh",
                                 "timestamp"}) {
            functions.push_back({name, {kVector}});
        }
        for (const auto* name : {"absent_over_time",
                                 "avg_over_time",
                                 "changes",
                                 "count_over_time",
                                 "delta",
                                 "deriv",
                                 "first_over_time",
                                 "idelta",
                                 "increase",
                                 "irate",
                                 "last_over_time",
                                 "mad_over_time",
                                 "max_over_time",
                                 "min_over_time",
                                 "present_over_time",
                                 "rate",
                                 "resets",
                                 "stddev_over_time",
                                 "stdvar_over_time",
                                 "sum_over_time",
                                 "ts_of_last_over_time",
                                 "ts_of_max_over_time",
                                 "ts_of_min_over_time"}) {
            functions.push_back({name, {kMatrix}});
        }
        for (const auto* name : {"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour",
                                 "minute", "month", "year"}) {
            functions.push_back({name, {kVector}, 1});
        }
        std::sort(functions.begin(), functions.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        return functions;
    }();
    return functions_by_name;
}

}  // namespace

const FunctionSignature* findFunction(std::string_view name) {
    const auto& functions = table();
    const auto it =
        std::lower_bound(functions.begin(), functions.end(), name,
                         [](const FunctionSignature& f, std::string_view n) { return f.name < n; });
    return it != functions.end() && it->name == name ? &*it : nullptr;
}

}  // namespace lapwing::promql
