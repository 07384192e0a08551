#include "collector/promql/engine.h"

#include <algorithm>
#include <chrono>
#include <new>

#include "collector/promql/evaluator.h"
#include "collector/promql/parser.h"

namespace lapwing::promql {
namespace {

/// At most ten warnings, then the number of further ones.
std::vector<std::string> few(const std::set<std::string>& texts, const std::string& kind) {
    constexpr std::size_t most = 10;
    std::vector<std::string> out(texts.begin(), std::next(texts.begin(), std::min(texts.size(), most)));
    if (texts.size() > most) {
        out.push_back(std::to_string(texts.size() - most) + " more " + kind + " annotations omitted");
    }
    return out;
}

void annotate(const Context& context, Result& result) {
    result.warnings = few(context.warnings(), "warning");
    result.infos = few(context.infos(), "info");
}

Expected<Matrix> instantMatrix(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
    auto range = evaluator.rangeVector(expr, grid);
    if (!range) {
        return fail(range.error());
    }
    Matrix out;
    for (auto& series : range->series) {
        out.push_back({std::move(series.labels), std::move(series.samples)});
    }
    return out;
}

Vector toVector(SeriesSet set, TimestampMs at) {
    Vector out;
    out.reserve(set.size());
    for (auto& series : set) {
        QueryLimits::enforceMemory();
        if (!isAbsent(series.values.front())) {
            out.push_back({std::move(series.labels), {at, series.values.front()}});
        }
    }
    return out;
}

Matrix toMatrix(SeriesSet set, const Grid& grid) {
    Matrix out;
    out.reserve(set.size());
    for (auto& series : set) {
        QueryLimits::enforceMemory();
        TimeSeries present{std::move(series.labels), {}};
        for (std::size_t i = 0; i < grid.points; ++i) {
            if (!isAbsent(series.values[i])) {
                present.samples.push_back({grid.at(i), series.values[i]});
            }
        }
        series.values = {};
        if (!present.samples.empty()) {
            out.push_back(std::move(present));
        }
    }
    return out;
}

void sortByLabels(Matrix& matrix) {
    std::sort(matrix.begin(), matrix.end(),
              [](const TimeSeries& a, const TimeSeries& b) { return a.labels < b.labels; });
}

Expected<void> checkTime(TimestampMs time) {
    if (time > -kMostTime && time < kMostTime) {
        return {};
    }
    return fail(ErrorKind::invalid, "time out of range");
}

/// Evaluates within the limits of one query.
template <class Evaluate>
Expected<Result> within(const EngineOptions& options, const std::atomic<bool>* cancel, Evaluate evaluate) {
    const QueryLimits limits(options.max_memory,
                             QueryLimits::Clock::now() + std::chrono::milliseconds(options.timeout_ms),
                             cancel);
    try {
        return evaluate();
    } catch (const Interrupted& interrupted) {
        return fail(interrupted.error);
    } catch (const std::bad_alloc&) {
        return fail(QueryLimits::outOfMemory());
    }
}

}  // namespace

Expected<Result> Engine::instant(std::string_view query, TimestampMs at,
                                 const std::atomic<bool>* cancel) const {
    return within(options_, cancel, [&] { return evaluateInstant(query, at); });
}

Expected<Result> Engine::evaluateInstant(std::string_view query, TimestampMs at) const {
    if (auto ok = checkTime(at); !ok) {
        return fail(ok.error());
    }
    auto expr = parse(query);
    if (!expr) {
        const auto within = QueryLimits::check();
        return fail(within ? expr.error() : within.error());
    }
    Context context(query, data_, options_, at, at);
    Evaluator evaluator(context);
    const Grid grid{at, 1, 1};
    Result result;
    if ((*expr)->type() == ValueType::matrix) {
        auto matrix = instantMatrix(evaluator, **expr, grid);
        if (!matrix) {
            return fail(matrix.error());
        }
        sortByLabels(*matrix);
        result.value = std::move(*matrix);
    } else {
        auto value = evaluator.evaluate(**expr, grid);
        if (!value) {
            return fail(value.error());
        }
        if (auto* scalars = std::get_if<ScalarValues>(&*value)) {
            result.value = Scalar{at, scalars->front()};
        } else if (auto* text = std::get_if<std::string>(&*value)) {
            result.value = String{at, std::move(*text)};
        } else {
            result.value = toVector(std::move(std::get<SeriesSet>(*value)), at);
        }
    }
    annotate(context, result);
    return result;
}

Expected<Result> Engine::range(std::string_view query, TimestampMs start, TimestampMs end,
                               std::int64_t step_ms, const std::atomic<bool>* cancel) const {
    return within(options_, cancel, [&] { return evaluateRange(query, start, end, step_ms); });
}

Expected<Result> Engine::evaluateRange(std::string_view query, TimestampMs start, TimestampMs end,
                                       std::int64_t step_ms) const {
    if (step_ms <= 0) {
        return fail(ErrorKind::invalid,
                    "zero or negative query resolution step widths are not accepted. Try a positive integer");
    }
    if (end < start) {
        return fail(ErrorKind::invalid, "end timestamp must not be before start time");
    }
    if (auto ok = checkTime(start); !ok) {
        return fail(ok.error());
    }
    if (auto ok = checkTime(end); !ok) {
        return fail(ok.error());
    }
    auto expr = parse(query);
    if (!expr) {
        const auto within = QueryLimits::check();
        return fail(within ? expr.error() : within.error());
    }
    const auto type = (*expr)->type();
    if (type != ValueType::scalar && type != ValueType::vector) {
        return fail(ErrorKind::invalid, "invalid expression type \"" + std::string(valueTypeName(type)) +
                                            "\" for range query, must be Scalar or instant Vector");
    }
    Context context(query, data_, options_, start, end);
    Evaluator evaluator(context);
    const Grid grid{start, step_ms, static_cast<std::size_t>((end - start) / step_ms) + 1};
    auto value = evaluator.evaluate(**expr, grid);
    if (!value) {
        return fail(value.error());
    }
    SeriesSet set;
    if (auto* scalars = std::get_if<ScalarValues>(&*value)) {
        set.push_back({Labels(), std::move(*scalars)});
    } else {
        set = std::move(std::get<SeriesSet>(*value));
    }
    auto matrix = toMatrix(std::move(set), grid);
    sortByLabels(matrix);
    Result result;
    result.value = std::move(matrix);
    annotate(context, result);
    return result;
}

}  // namespace lapwing::promql
