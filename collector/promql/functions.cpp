#include "collector/promql/functions.h"

#include <algorithm>
#include <cmath>

#include "collector/promql/numbers.h"
#include "collector/promql/range_functions.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

tl::unexpected<Error> pass(const Error& error) {
    return tl::unexpected<Error>(error);
}

/// Prometheus 3 remarks on rate() of what does not look like a counter.
void remarkOnName(Context& context, std::string_view function, const Expr& argument, const Labels& labels) {
    if (function != "rate" && function != "increase" && function != "irate") return;
    const auto name = labels.metricName();
    for (const std::string_view suffix : {"_total", "_sum", "_count", "_bucket"}) {
        if (name.empty() || name.ends_with(suffix)) return;
    }
    context.inform(
        "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
        quote(name) + " (" + context.position(argument.span.start) + ")");
}

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
            if (!range) return pass(range.error());
            prepared.range = std::move(*range);
            prepared.argument = argument.get();
        } else {
            auto values = evaluator.scalar(*argument, grid);
            if (!values) return pass(values.error());
            prepared.parameters.push_back(std::move(*values));
        }
    }
    return prepared;
}

/// What the values of a function's parameters must be, whatever the data.
Expected<void> checkParameters(Context& context, std::string_view name,
                               const std::vector<ScalarValues>& parameters, bool any_data) {
    if (!any_data) return {};
    if (name == "holt_winters" || name == "double_exponential_smoothing") {
        for (const double factor : parameters[0]) {
            if (!(factor > 0 && factor < 1)) {
                return fail(ErrorKind::execution,
                            "invalid smoothing factor. Expected: 0 < sf < 1, got: " + formatNumber(factor));
            }
        }
        for (const double factor : parameters[1]) {
            if (!(factor > 0 && factor < 1)) {
                return fail(ErrorKind::execution,
                            "invalid trend factor. Expected: 0 < tf < 1, got: " + formatNumber(factor));
            }
        }
    }
    if (name == "quantile_over_time") {
        for (const double q : parameters[0]) {
            if (!(q >= 0 && q <= 1)) {
                context.warn("PromQL warning: quantile value should be between 0 and 1, got " +
                             formatNumber(q));
            }
        }
    }
    return {};
}

Expected<Value> evaluateRange(Evaluator& evaluator, const Call& call, RangeFunction function,
                              const Grid& grid) {
    auto& context = evaluator.context();
    const auto name = call.function->name;
    auto prepared = prepare(evaluator, call, grid);
    if (!prepared) return pass(prepared.error());
    auto& range = prepared->range;
    if (auto ok = checkParameters(context, name, prepared->parameters, !range.series.empty()); !ok) {
        return pass(ok.error());
    }
    if (auto fits = context.charge(range.series.size() * grid.points); !fits) return pass(fits.error());

    SeriesSet out;
    out.reserve(range.series.size());
    std::vector<double> parameters(prepared->parameters.size());
    for (auto& one : range.series) {
        if (out.size() % 64 == 0) {
            if (auto go_on = context.proceed(); !go_on) return pass(go_on.error());
        }
        Series series{std::move(one.labels), ScalarValues(grid.points, absent())};
        WindowCursor cursor(range, one.samples, context.version2());
        bool any = false;
        for (std::size_t i = 0; i < grid.points; ++i) {
            auto window = cursor.at(grid.at(i));
            if (window.samples.empty()) continue;
            for (std::size_t p = 0; p < parameters.size(); ++p) parameters[p] = prepared->parameters[p][i];
            window.parameters = parameters;
            series.values[i] = function(window);
            any = any || !isAbsent(series.values[i]);
        }
        one.samples = {};
        if (!any) continue;
        remarkOnName(context, name, *prepared->argument, series.labels);
        out.push_back(std::move(series));
    }
    if (!keepsName(name)) {
        if (auto done = dropNames(out, Duplicates::refuse); !done) return pass(done.error());
    }
    return out;
}

Expected<Value> evaluateElements(Evaluator& evaluator, const Call& call, double (*function)(double),
                                 const Grid& grid) {
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) return pass(set.error());
    for (auto& series : *set) {
        for (auto& value : series.values) {
            if (!isAbsent(value)) value = function(value);
        }
    }
    if (auto done = dropNames(*set, Duplicates::merge); !done) return pass(done.error());
    return std::move(*set);
}

Expected<Value> evaluateCalendar(Evaluator& evaluator, const Call& call, double (*function)(double),
                                 const Grid& grid) {
    if (!call.arguments.empty()) return evaluateElements(evaluator, call, function, grid);
    Series series{{}, ScalarValues(grid.points)};
    for (std::size_t i = 0; i < grid.points; ++i)
        series.values[i] = function(static_cast<double>(grid.at(i)) / 1000);
    return SeriesSet{std::move(series)};
}

}  // namespace

Expected<Value> evaluateCall(Evaluator& evaluator, const Call& call, const Grid& grid) {
    const auto name = call.function->name;
    if (const auto function = findRangeFunction(name)) return evaluateRange(evaluator, call, function, grid);
    if (const auto function = findElementFunction(name))
        return evaluateElements(evaluator, call, function, grid);
    if (const auto function = findCalendarFunction(name))
        return evaluateCalendar(evaluator, call, function, grid);
    for (const auto find : {findVectorFunction, findLabelFunction, findHistogramFunction}) {
        if (const auto handler = find(name)) return handler(evaluator, call, grid);
    }
    return fail(ErrorKind::internal, "no implementation of " + std::string(name) + "()");
}

}  // namespace lapwing::promql
