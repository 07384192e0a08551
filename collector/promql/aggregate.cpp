#include "collector/promql/aggregate.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "collector/promql/accumulators.h"
#include "collector/promql/functions.h"
#include "collector/promql/numbers.h"
#include "collector/promql/range_functions.h"
#include "collector/promql/series_set.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

/// Values between two looks at the limits of the query: some milliseconds of work.
constexpr std::size_t kWorkBetweenChecks = 1U << 16;

Labels groupLabels(const Aggregate& aggregate, const Labels& labels) {
    std::vector<Label> kept;
    for (const auto& label : labels) {
        const bool named = std::find(aggregate.grouping.begin(), aggregate.grouping.end(), label.name) !=
                           aggregate.grouping.end();
        if (aggregate.without ? !named && label.name != "__name__" : named) {
            kept.push_back(label);
        }
    }
    return Labels(std::move(kept));
}

struct Groups {
    std::vector<Labels> labels;          ///< in order of appearance
    std::vector<std::size_t> of_series;  ///< for each series, its group

    Groups(Context& context, const Aggregate& aggregate, const SeriesSet& set) {
        std::unordered_map<Labels, std::size_t, LabelsHash> known;
        of_series.reserve(set.size());
        for (const auto& series : set) {
            context.proceedOrThrow();
            auto key = groupLabels(aggregate, series.labels);
            const auto [it, fresh] = known.emplace(key, labels.size());
            if (fresh) {
                labels.push_back(std::move(key));
            }
            of_series.push_back(it->second);
        }
    }
};

/// Folds all series of a group into one series, step by step.
template <class Accumulator>
Expected<SeriesSet> fold(Context& context, Groups groups, const SeriesSet& set, std::size_t points) {
    struct Cell {
        bool any = false;
        Accumulator accumulator;
    };
    std::vector<std::vector<Cell>> cells(groups.labels.size());
    for (std::size_t s = 0; s < set.size(); ++s) {
        if (auto go_on = context.proceed(); !go_on) {
            return fail(go_on.error());
        }
        auto& row = cells[groups.of_series[s]];
        if (row.empty()) {
            row.resize(points);
        }
        for (std::size_t i = 0; i < points; ++i) {
            const double value = set[s].values[i];
            if (isAbsent(value)) {
                continue;
            }
            if (row[i].any) {
                row[i].accumulator.add(value);
            } else {
                row[i].any = true;
                row[i].accumulator.begin(value);
            }
        }
    }
    SeriesSet out;
    out.reserve(groups.labels.size());
    for (std::size_t g = 0; g < groups.labels.size(); ++g) {
        if (auto go_on = context.proceed(); !go_on) {
            return fail(go_on.error());
        }
        Series series{std::move(groups.labels[g]), ScalarValues(points, absent())};
        for (std::size_t i = 0; i < points; ++i) {
            if (cells[g][i].any) {
                series.values[i] = cells[g][i].accumulator.result();
            }
        }
        out.push_back(std::move(series));
    }
    removeEmpty(out);
    return out;
}

void warnOfQuantiles(Context& context, const Aggregate& aggregate, const ScalarValues& parameter) {
    const Extremes extremes(parameter);
    const auto& where = unwrapParens(*aggregate.parameter);
    if (extremes.any_nan) {
        warnOfQuantile(context, std::numeric_limits<double>::quiet_NaN(), where);
    }
    if (extremes.most > 1) {
        warnOfQuantile(context, extremes.most, where);
    }
    if (extremes.least < 0) {
        warnOfQuantile(context, extremes.least, where);
    }
}

Expected<SeriesSet> quantiles(Context& context, Groups groups, const SeriesSet& set,
                              const ScalarValues& parameter, std::size_t points) {
    std::vector<std::vector<std::size_t>> members(groups.labels.size());
    for (std::size_t s = 0; s < set.size(); ++s) {
        members[groups.of_series[s]].push_back(s);
    }
    SeriesSet out;
    std::vector<double> values;
    std::size_t work = 0;
    for (std::size_t g = 0; g < members.size(); ++g) {
        if (auto go_on = context.proceed(); !go_on) {
            return fail(go_on.error());
        }
        Series series{std::move(groups.labels[g]), ScalarValues(points, absent())};
        for (std::size_t i = 0; i < points; ++i) {
            values.clear();
            work += members[g].size();
            if (work >= kWorkBetweenChecks) {
                if (auto go_on = context.proceed(); !go_on) {
                    return fail(go_on.error());
                }
                work = 0;
            }
            for (const auto s : members[g]) {
                if (!isAbsent(set[s].values[i])) {
                    values.push_back(set[s].values[i]);
                }
            }
            if (!values.empty()) {
                series.values[i] = quantileOf(parameter[i], values);
            }
        }
        out.push_back(std::move(series));
    }
    removeEmpty(out);
    return out;
}

Expected<SeriesSet> countValues(Context& context, const Aggregate& aggregate, const SeriesSet& set,
                                const std::string& label, std::size_t points) {
    if (label.empty() || !isValidUtf8(label) || (context.version2() && !isValidLabelName(label))) {
        return fail(ErrorKind::execution, "invalid label name " + quote(label));
    }
    Aggregate grouping;
    grouping.without = aggregate.without;
    grouping.grouping = aggregate.grouping;
    if (!aggregate.without) {
        grouping.grouping.push_back(label);
    }

    SeriesSet out;
    std::unordered_map<Labels, std::size_t, LabelsHash> known;
    for (const auto& series : set) {
        if (auto go_on = context.proceed(); !go_on) {
            return fail(go_on.error());
        }
        double last = absent();
        std::size_t slot = 0;
        for (std::size_t i = 0; i < points; ++i) {
            const double value = series.values[i];
            if (isAbsent(value)) {
                continue;
            }
            if (std::bit_cast<std::uint64_t>(value) != std::bit_cast<std::uint64_t>(last)) {
                auto labels = series.labels;
                labels.set(label, formatPlain(value));
                const auto [it, fresh] = known.emplace(groupLabels(grouping, labels), out.size());
                if (fresh) {
                    if (auto fits = context.chargeSamples((out.size() + 1) * points); !fits) {
                        return fail(fits.error());
                    }
                    if (auto go_on = context.proceed(); !go_on) {
                        return fail(go_on.error());
                    }
                    out.push_back({it->first, ScalarValues(points, absent())});
                }
                slot = it->second;
                last = value;
            }
            auto& count = out[slot].values[i];
            count = isAbsent(count) ? 1 : count + 1;
        }
    }
    return out;
}

}  // namespace

Extremes::Extremes(const ScalarValues& values) {
    for (const double value : values) {
        most = maximum(most, value);
        least = minimum(least, value);
        any_nan = any_nan || std::isnan(value);
    }
}

Expected<SeriesSet> evaluateAggregate(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const ScalarValues& parameter, const std::string& label,
                                      std::size_t points) {
    if (aggregate.op == Aggregation::count_values) {
        return countValues(context, aggregate, operand, label, points);
    }
    const bool version2 = context.version2();
    Groups groups(context, aggregate, operand);
    switch (aggregate.op) {
        case Aggregation::sum:
            if (version2) {
                return fold<Sum2>(context, std::move(groups), operand, points);
            }
            return fold<Sum>(context, std::move(groups), operand, points);
        case Aggregation::avg:
            if (version2) {
                return fold<Average2>(context, std::move(groups), operand, points);
            }
            return fold<Average>(context, std::move(groups), operand, points);
        case Aggregation::min:
            return fold<Minimum>(context, std::move(groups), operand, points);
        case Aggregation::max:
            return fold<Maximum>(context, std::move(groups), operand, points);
        case Aggregation::group:
            return fold<Group>(context, std::move(groups), operand, points);
        case Aggregation::count:
            return fold<Count>(context, std::move(groups), operand, points);
        case Aggregation::stddev:
            if (version2) {
                return fold<Deviation<Variance<true>>>(context, std::move(groups), operand, points);
            }
            return fold<Deviation<Variance<false>>>(context, std::move(groups), operand, points);
        case Aggregation::stdvar:
            if (version2) {
                return fold<Variance<true>>(context, std::move(groups), operand, points);
            }
            return fold<Variance<false>>(context, std::move(groups), operand, points);
        case Aggregation::quantile:
            warnOfQuantiles(context, aggregate, parameter);
            return quantiles(context, std::move(groups), operand, parameter, points);
        case Aggregation::topk:
        case Aggregation::bottomk:
        case Aggregation::limitk:
        case Aggregation::limit_ratio:
        case Aggregation::count_values:
            break;
    }
    return evaluateSelection(context, aggregate, std::move(operand), groups.of_series, groups.labels.size(),
                             parameter, points);
}

}  // namespace lapwing::promql
