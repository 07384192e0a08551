#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "collector/promql/functions.h"
#include "collector/promql/named.h"
#include "collector/promql/numbers.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"

namespace lapwing::promql {
namespace {

/// absent() names the missing series by the selector's equality matchers; a label that is given twice is
/// left out.
Labels labelsOfAbsence(const Expr& argument) {
    const auto& inner = argument;
    const VectorSelector* selector = inner.as<VectorSelector>();
    if (const auto* matrix = inner.as<MatrixSelector>()) {
        selector = &matrix->selector;
    }
    if (selector == nullptr) {
        return {};
    }
    Labels labels;
    std::set<std::string_view> seen;
    std::set<std::string_view> ambiguous;
    for (const auto& matcher : selector->matchers) {
        if (matcher.name() == "__name__") {
            continue;
        }
        if (matcher.type() == storage::Matcher::Type::equal && seen.insert(matcher.name()).second) {
            labels.set(matcher.name(), matcher.value());
        } else {
            ambiguous.insert(matcher.name());
        }
    }
    for (const auto name : ambiguous) {
        labels.erase(name);
    }
    return labels;
}

Value absence(const Expr& argument, const std::vector<bool>& present) {
    Series series{labelsOfAbsence(argument), ScalarValues(present.size(), absent())};
    for (std::size_t i = 0; i < present.size(); ++i) {
        if (!present[i]) {
            series.values[i] = 1;
        }
    }
    SeriesSet out;
    out.push_back(std::move(series));
    removeEmpty(out);
    return out;
}

Expected<Value> absentNow(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    std::vector<bool> present(grid.points);
    for (const auto& series : *set) {
        if (auto go_on = Context::proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (std::size_t i = 0; i < grid.points; ++i) {
            present[i] = present[i] || !isAbsent(series.values[i]);
        }
    }
    return absence(*call.arguments[0], present);
}

Expected<Value> absentOverTime(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto range = evaluator.rangeVector(*call.arguments[0], grid);
    if (!range) {
        return fail(range.error());
    }
    std::vector<bool> present(grid.points);
    for (const auto& element : range->series) {
        if (auto go_on = evaluator.context().proceed(); !go_on) {
            return fail(go_on.error());
        }
        WindowCursor cursor(*range, element.samples, evaluator.context().version2());
        for (std::size_t i = 0; i < grid.points; ++i) {
            if (!cursor.at(grid.at(i)).samples.empty()) {
                present[i] = true;
            }
        }
    }
    return absence(*call.arguments[0], present);
}

/// Applies a function of a value and scalars to each value of a vector, and removes the name.
template <class Function>
Expected<Value> withScalars(Evaluator& evaluator, const Call& call, const Grid& grid, Function function) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    std::vector<ScalarValues> scalars;
    for (std::size_t a = 1; a < call.arguments.size(); ++a) {
        auto values = evaluator.scalar(*call.arguments[a], grid);
        if (!values) {
            return fail(values.error());
        }
        scalars.push_back(std::move(*values));
    }
    for (auto& series : *set) {
        if (auto go_on = Context::proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (std::size_t i = 0; i < grid.points; ++i) {
            auto& value = series.values[i];
            if (!isAbsent(value)) {
                value = function(value, scalars, i);
            }
        }
    }
    removeEmpty(*set);
    if (auto done = dropNames(evaluator.context(), *set, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return std::move(*set);
}

Expected<Value> clamp(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return withScalars(evaluator, call, grid,
                       [](double value, const std::vector<ScalarValues>& limits, std::size_t i) {
                           if (limits[1][i] < limits[0][i]) {
                               return absent();
                           }
                           return maximum(limits[0][i], minimum(limits[1][i], value));
                       });
}

Expected<Value> clampMax(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return withScalars(evaluator, call, grid,
                       [](double value, const std::vector<ScalarValues>& limits, std::size_t i) {
                           return minimum(limits[0][i], value);
                       });
}

Expected<Value> clampMin(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return withScalars(evaluator, call, grid,
                       [](double value, const std::vector<ScalarValues>& limits, std::size_t i) {
                           return maximum(limits[0][i], value);
                       });
}

Expected<Value> roundTo(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return withScalars(evaluator, call, grid,
                       [](double value, const std::vector<ScalarValues>& nearest, std::size_t i) {
                           // Ties round up. The inverse avoids errors where the unit is a decimal fraction.
                           const double inverse = 1 / (nearest.empty() ? 1 : nearest[0][i]);
                           return std::floor(value * inverse + 0.5) / inverse;
                       });
}

Expected<Value> toScalar(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    ScalarValues out(grid.points, std::numeric_limits<double>::quiet_NaN());
    std::vector<int> count(grid.points);
    for (const auto& series : *set) {
        if (auto go_on = Context::proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (std::size_t i = 0; i < grid.points; ++i) {
            if (isAbsent(series.values[i])) {
                continue;
            }
            out[i] = ++count[i] == 1 ? series.values[i] : std::numeric_limits<double>::quiet_NaN();
        }
    }
    return out;
}

Expected<Value> toVector(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto values = evaluator.scalar(*call.arguments[0], grid);
    if (!values) {
        return fail(values.error());
    }
    SeriesSet out;
    out.push_back({Labels(), std::move(*values)});
    return out;
}

Expected<Value> timeNow(Evaluator& /*evaluator*/, const Call& /*call*/, const Grid& grid) {
    ScalarValues out(grid.points);
    for (std::size_t i = 0; i < grid.points; ++i) {
        out[i] = static_cast<double>(grid.at(i)) / 1000;
    }
    return out;
}

Expected<Value> pi(Evaluator& /*evaluator*/, const Call& /*call*/, const Grid& grid) {
    return ScalarValues(grid.points, std::numbers::pi);
}

Expected<Value> timestamp(Evaluator& evaluator, const Call& call, const Grid& grid) {
    // Only a selector knows the time of its sample; every other expression has the time of the step.
    const auto* selector = unwrapParens(*call.arguments[0]).as<VectorSelector>();
    auto set = selector != nullptr ? evaluator.select(*selector, grid, true)
                                   : evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    if (selector == nullptr) {
        for (auto& series : *set) {
            for (std::size_t i = 0; i < grid.points; ++i) {
                if (!isAbsent(series.values[i])) {
                    series.values[i] = static_cast<double>(grid.at(i)) / 1000;
                }
            }
        }
    }
    if (auto done = dropNames(evaluator.context(), *set, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return std::move(*set);
}

/// Values have an order only in an instant query; the result of a range query is ordered by labels anyway.
Expected<Value> sortBy(Evaluator& evaluator, const Call& call, const Grid& grid, bool descending) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    if (grid.points == 1) {
        auto& context = evaluator.context();
        std::stable_sort(set->begin(), set->end(), [&](const Series& a, const Series& b) {
            context.proceedOrThrow();
            const double x = a.values.front();
            const double y = b.values.front();
            if (std::isnan(x) || std::isnan(y)) {
                return !std::isnan(x);
            }
            return descending ? x > y : x < y;
        });
    }
    return std::move(*set);
}

Expected<Value> sortAscending(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return sortBy(evaluator, call, grid, false);
}
Expected<Value> sortDescending(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return sortBy(evaluator, call, grid, true);
}

constexpr std::array<Named<CallHandler>, 13> kFunctions = {{{"absent", absentNow},
                                                            {"absent_over_time", absentOverTime},
                                                            {"clamp", clamp},
                                                            {"clamp_max", clampMax},
                                                            {"clamp_min", clampMin},
                                                            {"pi", pi},
                                                            {"round", roundTo},
                                                            {"scalar", toScalar},
                                                            {"sort", sortAscending},
                                                            {"sort_desc", sortDescending},
                                                            {"time", timeNow},
                                                            {"timestamp", timestamp},
                                                            {"vector", toVector}}};

}  // namespace

CallHandler findVectorFunction(std::string_view name) {
    return findNamed(kFunctions, name);
}

}  // namespace lapwing::promql
