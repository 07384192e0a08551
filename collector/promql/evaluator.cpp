#include "collector/promql/evaluator.h"

#include <utility>

#include "collector/promql/aggregate.h"
#include "collector/promql/binary.h"
#include "collector/promql/functions.h"
#include "collector/promql/series_set.h"

namespace lapwing::promql {
namespace {

/// The value of one series at each step: its newest sample that is not older than the lookback delta.
ScalarValues sample(const std::vector<Sample>& samples, const Grid& grid, std::int64_t offset,
                    std::int64_t lookback, bool closed, bool timestamps) {
    ScalarValues values(grid.points, absent());
    std::size_t past = 0;
    for (std::size_t i = 0; i < grid.points; ++i) {
        const auto at = grid.at(i) - offset;
        while (past < samples.size() && samples[past].timestamp <= at) {
            ++past;
        }
        if (past == 0) {
            continue;
        }
        const auto& newest = samples[past - 1];
        const auto oldest = at - lookback;
        if (newest.timestamp < oldest || (!closed && newest.timestamp == oldest) ||
            isStaleNaN(newest.value)) {
            continue;
        }
        values[i] = timestamps ? static_cast<double>(newest.timestamp) / 1000 : newest.value;
    }
    return values;
}

}  // namespace

Expected<Value> Evaluator::evaluate(const Expr& expr, const Grid& grid) {
    if (auto go_on = context_.proceed(); !go_on) {
        return fail(go_on.error());
    }
    if (auto fits = context_.charge(grid.points); !fits) {
        return fail(fits.error());
    }
    if (const auto* number = expr.as<NumberLiteral>()) {
        return ScalarValues(grid.points, number->value);
    }
    if (grid.points > 1 && isStepInvariant(expr)) {
        return evaluateOnce(expr, grid);
    }
    if (const auto* text = expr.as<StringLiteral>()) {
        return text->value;
    }
    if (const auto* paren = expr.as<Paren>()) {
        return evaluate(*paren->inner, grid);
    }
    if (const auto* unary = expr.as<Unary>()) {
        return evaluateNode(*unary, grid);
    }
    if (const auto* binary = expr.as<Binary>()) {
        return evaluateNode(*binary, grid);
    }
    if (const auto* aggregate = expr.as<Aggregate>()) {
        return evaluateNode(*aggregate, grid);
    }
    if (const auto* call = expr.as<Call>()) {
        return evaluateCall(*this, *call, grid);
    }
    if (const auto* selector = expr.as<VectorSelector>()) {
        auto selected = select(*selector, grid, false);
        if (!selected) {
            return fail(selected.error());
        }
        return std::move(*selected);
    }
    return fail(ErrorKind::internal, "a range vector where none can be");
}

Expected<Value> Evaluator::evaluateOnce(const Expr& expr, const Grid& grid) {
    auto value = evaluate(expr, Grid{grid.start, grid.step, 1});
    if (!value) {
        return value;
    }
    if (auto* scalars = std::get_if<ScalarValues>(&*value)) {
        *scalars = ScalarValues(grid.points, scalars->front());
    } else if (auto* set = std::get_if<SeriesSet>(&*value)) {
        if (auto fits = context_.charge(set->size() * grid.points); !fits) {
            return fail(fits.error());
        }
        replicate(*set, grid.points);
    }
    return value;
}

Expected<SeriesSet> Evaluator::vector(const Expr& expr, const Grid& grid) {
    auto value = evaluate(expr, grid);
    if (!value) {
        return fail(value.error());
    }
    return std::move(std::get<SeriesSet>(*value));
}

Expected<ScalarValues> Evaluator::scalar(const Expr& expr, const Grid& grid) {
    auto value = evaluate(expr, grid);
    if (!value) {
        return fail(value.error());
    }
    return std::move(std::get<ScalarValues>(*value));
}

Expected<std::string> Evaluator::string(const Expr& expr, const Grid& grid) {
    auto value = evaluate(expr, grid);
    if (!value) {
        return fail(value.error());
    }
    return std::move(std::get<std::string>(*value));
}

Expected<SeriesSet> Evaluator::select(const VectorSelector& selector, const Grid& grid, bool timestamps) {
    const auto fixed = context_.fixedTime(selector.time);
    const Grid seen = fixed ? Grid{*fixed, 1, 1} : grid;
    const auto offset = selector.time.offset_ms;
    const auto lookback = context_.options().lookback_ms;
    const bool closed = context_.version2();
    auto stored = context_.select(selector.matchers, seen.start - offset - lookback + (closed ? 0 : 1),
                                  seen.last() - offset);
    if (!stored) {
        return fail(stored.error());
    }
    if (auto fits = context_.charge(stored->size() * grid.points); !fits) {
        return fail(fits.error());
    }
    SeriesSet out;
    out.reserve(stored->size());
    for (auto& series : *stored) {
        if (auto go_on = context_.proceed(); !go_on) {
            return fail(go_on.error());
        }
        out.push_back({*series.labels, sample(series.samples, seen, offset, lookback, closed, timestamps)});
        // Release the samples of a series as soon as its steps are made: a panel over much data holds one
        // or the other, never both.
        series.samples = {};
    }
    removeEmpty(out);
    if (fixed) {
        replicate(out, grid.points);
    }
    return out;
}

Expected<RangeVector> Evaluator::rangeVector(const Expr& expr, const Grid& grid) {
    const auto& inner = unwrapParens(expr);
    if (const auto* nested = inner.as<Subquery>()) {
        return subquery(*nested, grid);
    }
    const auto* matrix = inner.as<MatrixSelector>();
    if (matrix == nullptr) {
        return fail(ErrorKind::internal, "a range vector was expected");
    }
    const auto& time = matrix->selector.time;
    RangeVector out;
    out.range_ms = matrix->range_ms;
    out.offset_ms = time.offset_ms;
    out.fixed = context_.fixedTime(time);
    const auto first = out.fixed.value_or(grid.start) - out.offset_ms;
    const auto last = out.fixed.value_or(grid.last()) - out.offset_ms;
    auto stored = context_.select(matrix->selector.matchers,
                                  first - out.range_ms + (context_.version2() ? 0 : 1), last);
    if (!stored) {
        return fail(stored.error());
    }
    out.series.reserve(stored->size());
    for (auto& series : *stored) {
        if (auto go_on = context_.proceed(); !go_on) {
            return fail(go_on.error());
        }
        std::erase_if(series.samples, [](const Sample& point) { return isStaleNaN(point.value); });
        if (series.samples.empty()) {
            continue;
        }
        out.series.push_back({*series.labels, std::move(series.samples)});
    }
    return out;
}

Expected<RangeVector> Evaluator::subquery(const Subquery& subquery, const Grid& grid) {
    RangeVector out;
    out.range_ms = subquery.range_ms;
    out.offset_ms = subquery.time.offset_ms;
    out.fixed = context_.fixedTime(subquery.time);
    const auto first = out.fixed.value_or(grid.start) - out.offset_ms - out.range_ms;
    const auto last = out.fixed.value_or(grid.last()) - out.offset_ms;

    // As in Prometheus, the steps are multiples of the step since 1970, independent of the query's start.
    Grid inner;
    inner.step = subquery.step_ms > 0 ? subquery.step_ms : context_.options().default_interval_ms;
    inner.start = inner.step * (first / inner.step);
    if (inner.start < first || (!context_.version2() && inner.start == first)) {
        inner.start += inner.step;
    }
    if (inner.start > last) {
        return out;
    }
    inner.points = static_cast<std::size_t>((last - inner.start) / inner.step) + 1;

    auto value = evaluate(*subquery.inner, inner);
    if (!value) {
        return fail(value.error());
    }
    for (auto& series : std::get<SeriesSet>(*value)) {
        if (auto go_on = context_.proceed(); !go_on) {
            return fail(go_on.error());
        }
        RangeVector::Element element{std::move(series.labels), {}};
        for (std::size_t i = 0; i < inner.points; ++i) {
            if (!isAbsent(series.values[i])) {
                element.samples.push_back({inner.at(i), series.values[i]});
            }
        }
        series.values = {};
        if (!element.samples.empty()) {
            out.series.push_back(std::move(element));
        }
    }
    return out;
}

Expected<Value> Evaluator::evaluateNode(const Unary& unary, const Grid& grid) {
    auto value = evaluate(*unary.operand, grid);
    if (!value || !unary.negative) {
        return value;
    }
    if (auto* scalars = std::get_if<ScalarValues>(&*value)) {
        for (auto& number : *scalars) {
            number = -number;
        }
        return value;
    }
    auto& set = std::get<SeriesSet>(*value);
    for (auto& series : set) {
        if (auto go_on = context_.proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (auto& number : series.values) {
            if (!isAbsent(number)) {
                number = -number;
            }
        }
    }
    if (auto done = dropNames(context_, set, Duplicates::refuse); !done) {
        return fail(done.error());
    }
    return value;
}

Expected<Value> Evaluator::evaluateNode(const Binary& binary, const Grid& grid) {
    auto lhs = evaluate(*binary.lhs, grid);
    if (!lhs) {
        return lhs;
    }
    auto rhs = evaluate(*binary.rhs, grid);
    if (!rhs) {
        return rhs;
    }
    return evaluateBinary(context_, binary, std::move(*lhs), std::move(*rhs), grid.points);
}

Expected<Value> Evaluator::evaluateNode(const Aggregate& aggregate, const Grid& grid) {
    ScalarValues parameter;
    std::string label;
    if (aggregate.parameter) {
        auto value = evaluate(*aggregate.parameter, grid);
        if (!value) {
            return value;
        }
        if (auto* text = std::get_if<std::string>(&*value)) {
            label = std::move(*text);
        } else {
            parameter = std::move(std::get<ScalarValues>(*value));
        }
    }
    auto operand = vector(*aggregate.operand, grid);
    if (!operand) {
        return fail(operand.error());
    }
    auto result = evaluateAggregate(context_, aggregate, std::move(*operand), parameter, label, grid.points);
    if (!result) {
        return fail(result.error());
    }
    return std::move(*result);
}

}  // namespace lapwing::promql
