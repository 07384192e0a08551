#include "collector/promql/functions.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "collector/promql/numbers.h"
#include "collector/promql/range_functions.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

/// Version 3 adds an info when rate() is applied to a metric that does not look like a counter.
void remarkOnName(Context& context, std::string_view function, const Expr& argument, const Labels& labels) {
    if (function != "rate" && function != "increase") {
        return;
    }
    const auto name = labels.metricName();
    for (const std::string_view suffix : {"_total", "_sum", "_count", "_bucket"}) {
        if (name.empty() || name.ends_with(suffix)) {
            return;
        }
    }
    // Prometheus has no position for a subquery.
    Expr nowhere;
    const bool subquery = unwrapParens(argument).as<Subquery>() != nullptr;
    context.inform(
        "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + quote(name),
        subquery ? nowhere : argument);
}

/// Samples in windows between two checks for cancellation: some milliseconds of work.
constexpr std::size_t kWorkBetweenChecks = 1U << 16;

struct RangeCall {
    RangeVector range;
    std::vector<ScalarValues> parameters;
    const Expr* argument = nullptr;
};

Expected<RangeCall> prepare(Evaluator& evaluator, const Call& call, const Grid& grid) {
    RangeCall prepared;
    for (const auto& argument : call.arguments) {
        if (argument->type() == ValueType::matrix) {
            auto range = evaluator.rangeVector(*argument, grid);
            if (!range) {
                return fail(range.error());
            }
            prepared.range = std::move(*range);
            prepared.argument = argument.get();
        } else {
            auto values = evaluator.scalar(*argument, grid);
            if (!values) {
                return fail(values.error());
            }
            prepared.parameters.push_back(std::move(*values));
        }
    }
    return prepared;
}

Expected<void> checkFactor(const char* name, const char* symbol, double factor) {
    if (!(factor <= 0 || factor >= 1)) {
        return {};
    }
    std::array<char, 400> text{};
    std::snprintf(text.data(), text.size(), "invalid %s factor. Expected: 0 < %s < 1, got: %f", name, symbol,
                  factor);
    return fail(ErrorKind::execution, text.data());
}

/// Checks a function's parameters wherever it is called, and warns about odd ones.
Expected<void> checkParameters(Context& context, const Call& call, const std::vector<double>& parameters) {
    const auto name = call.function->name;
    if (name == "quantile_over_time") {
        if (!(parameters[0] >= 0 && parameters[0] <= 1)) {
            warnOfQuantile(context, parameters[0], citedPart(call, *call.arguments[0]));
        }
    } else if (name == "holt_winters" || name == "double_exponential_smoothing") {
        if (auto ok = checkFactor("smoothing", "sf", parameters[0]); !ok) {
            return ok;
        }
        return checkFactor("trend", "tf", parameters[1]);
    }
    return {};
}

Expected<Value> evaluateRange(Evaluator& evaluator, const Call& call, RangeFunction function,
                              const Grid& grid) {
    auto& context = evaluator.context();
    const auto name = call.function->name;
    auto prepared = prepare(evaluator, call, grid);
    if (!prepared) {
        return fail(prepared.error());
    }
    auto& range = prepared->range;
    if (auto fits = context.charge(range.series.size() * grid.points); !fits) {
        return fail(fits.error());
    }

    SeriesSet out;
    out.reserve(range.series.size());
    std::vector<double> parameters(prepared->parameters.size());
    std::size_t work = 0;
    const auto& cited = citedPart(call, *prepared->argument);
    for (auto& element : range.series) {
        if (auto go_on = context.proceed(); !go_on) {
            return fail(go_on.error());
        }
        Series series{std::move(element.labels), ScalarValues(grid.points, absent())};
        WindowCursor cursor(range, element.samples, context.version2());
        bool any = false;
        for (std::size_t i = 0; i < grid.points; ++i) {
            auto window = cursor.at(grid.at(i));
            work += 1 + window.samples.size();
            if (work >= kWorkBetweenChecks) {
                if (auto go_on = context.proceed(); !go_on) {
                    return fail(go_on.error());
                }
                work = 0;
            }
            if (window.samples.empty()) {
                continue;
            }
            for (std::size_t p = 0; p < parameters.size(); ++p) {
                parameters[p] = prepared->parameters[p][i];
            }
            if (!parameters.empty()) {
                if (auto ok = checkParameters(context, call, parameters); !ok) {
                    return fail(ok.error());
                }
            }
            window.parameters = parameters;
            series.values[i] = function(window);
            any = any || !isAbsent(series.values[i]);
        }
        element.samples = {};
        if (!any) {
            continue;
        }
        remarkOnName(context, name, cited, series.labels);
        out.push_back(std::move(series));
    }
    if (!keepsName(name)) {
        if (auto done = dropNames(context, out, Duplicates::refuse); !done) {
            return fail(done.error());
        }
    }
    return out;
}

Expected<Value> evaluateElements(Evaluator& evaluator, const Call& call, double (*function)(double),
                                 const Grid& grid) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    for (auto& series : *set) {
        if (auto go_on = Context::proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (auto& value : series.values) {
            if (!isAbsent(value)) {
                value = function(value);
            }
        }
    }
    if (auto done = dropNames(evaluator.context(), *set, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return std::move(*set);
}

Expected<Value> evaluateCalendar(Evaluator& evaluator, const Call& call, double (*function)(double),
                                 const Grid& grid) {
    if (!call.arguments.empty()) {
        return evaluateElements(evaluator, call, function, grid);
    }
    Series series{{}, ScalarValues(grid.points)};
    for (std::size_t i = 0; i < grid.points; ++i) {
        series.values[i] = function(static_cast<double>(grid.at(i)) / 1000);
    }
    return SeriesSet{std::move(series)};
}

}  // namespace

const Expr& citedPart(const Call& call, const Expr& argument) {
    const auto once = [](const ExprPtr& each) { return isStepInvariant(*each); };
    const bool all = std::all_of(call.arguments.begin(), call.arguments.end(), once);
    return isStepInvariant(argument) && !all ? argument : unwrapParens(argument);
}

void warnOfQuantile(Context& context, double q, const Expr& where) {
    context.warn("quantile value should be between 0 and 1, got " + formatBrief(q), where);
}

Expected<Value> evaluateCall(Evaluator& evaluator, const Call& call, const Grid& grid) {
    const auto name = call.function->name;
    if (const auto function = findRangeFunction(name)) {
        return evaluateRange(evaluator, call, function, grid);
    }
    if (const auto function = findElementFunction(name)) {
        return evaluateElements(evaluator, call, function, grid);
    }
    if (const auto function = findCalendarFunction(name)) {
        return evaluateCalendar(evaluator, call, function, grid);
    }
    for (const auto find : {findVectorFunction, findLabelFunction, findHistogramFunction}) {
        if (const auto handler = find(name)) {
            return handler(evaluator, call, grid);
        }
    }
    return fail(ErrorKind::internal, "no implementation of " + std::string(name) + "()");
}

}  // namespace lapwing::promql
