#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>

#include "collector/limits/query_limits.h"
#include "collector/promql/functions.h"
#include "collector/promql/numbers.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Bucket {
    double upper = 0;
    double count = 0;
};

constexpr double kTolerance = 1e-12;

/// Tolerance for sums of floating point numbers that should be equal.
bool almostEqual(double a, double b) {
    if (a == b) {
        return true;
    }
    const double sum = std::abs(a) + std::abs(b);
    const double difference = std::abs(a - b);
    constexpr double least = std::numeric_limits<double>::min();
    if (a == 0 || b == 0 || sum < least) {
        return difference < kTolerance * least;
    }
    return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

/// The buckets in order of their bounds, with equal bounds added up. Empty if the last bound is not +Inf.
std::vector<Bucket> inOrder(std::vector<Bucket> buckets) {
    std::stable_sort(buckets.begin(), buckets.end(),
                     [](const Bucket& a, const Bucket& b) { return a.upper < b.upper; });
    std::vector<Bucket> out;
    if (buckets.back().upper != kInfinity) {
        return out;
    }
    for (const auto& bucket : buckets) {
        if (!out.empty() && out.back().upper == bucket.upper) {
            out.back().count += bucket.count;
        } else {
            out.push_back(bucket);
        }
    }
    return out;
}

/// Makes counts monotonic: a scrape is not an atomic picture of the buckets. Returns whether it corrected
/// more than rounding errors.
bool makeMonotonic(std::vector<Bucket>& buckets, bool version2) {
    bool forced = false;
    double before = buckets.front().count;
    for (auto& bucket : buckets) {
        const bool rounding = !version2 && almostEqual(before, bucket.count);
        if (rounding || bucket.count < before) {
            forced = forced || !rounding;
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    return forced;
}

struct Quantile {
    double value = kNaN;
    bool forced_monotonic = false;
};

/// The quantile of a classic histogram, linear within its bucket; the first bucket begins at 0 if its bound
/// is positive.
Quantile bucketQuantile(double q, std::vector<Bucket> unordered, bool version2) {
    if (std::isnan(q)) {
        return {};
    }
    if (q < 0) {
        return {-kInfinity};
    }
    if (q > 1) {
        return {kInfinity};
    }
    auto buckets = inOrder(std::move(unordered));
    if (buckets.empty()) {
        return {};
    }
    const bool forced = makeMonotonic(buckets, version2);
    if (buckets.size() < 2) {
        return {};
    }
    const double observations = buckets.back().count;
    if (observations == 0) {
        return {};
    }
    double rank = q * observations;
    const auto found =
        std::lower_bound(buckets.begin(), buckets.end() - 1, rank,
                         [](const Bucket& bucket, double wanted) { return bucket.count < wanted; });
    const auto b = static_cast<std::size_t>(found - buckets.begin());
    if (b == buckets.size() - 1) {
        return {buckets[buckets.size() - 2].upper, forced};
    }
    if (b == 0 && buckets[0].upper <= 0) {
        return {buckets[0].upper, forced};
    }
    double start = 0;
    double count = buckets[b].count;
    if (b > 0) {
        start = buckets[b - 1].upper;
        count -= buckets[b - 1].count;
        rank -= buckets[b - 1].count;
    }
    return {start + (buckets[b].upper - start) * (rank / count), forced};
}

/// How many observations lie below a bound, linear within its bucket: NaN within the first bucket, which
/// has no lower end (as in Prometheus 3.5). Nothing if the bound is above all buckets.
std::optional<double> rankBelow(double bound, const std::vector<Bucket>& buckets) {
    double below = 0;
    double lower = -kInfinity;
    for (const auto& bucket : buckets) {
        if (lower >= bound) {
            return below;
        }
        if (bucket.upper > bound) {
            return below + (bucket.count - below) * (bound - lower) / (bucket.upper - lower);
        }
        below = bucket.count;
        lower = bucket.upper;
    }
    return std::nullopt;
}

/// The share of a classic histogram's observations between two bounds.
double bucketFraction(double lower, double upper, std::vector<Bucket> unordered) {
    const auto buckets = inOrder(std::move(unordered));
    if (buckets.empty() || std::isnan(lower) || std::isnan(upper)) {
        return kNaN;
    }
    const double count = buckets.back().count;
    if (count == 0) {
        return kNaN;
    }
    if (lower >= upper) {
        return 0;
    }
    const auto rank = [&](double bound) {
        const auto below = rankBelow(bound, buckets);
        return below && !(*below > count) ? *below : count;
    };
    return (rank(upper) - rank(lower)) / count;
}

std::string forMetric(std::string_view name) {
    return " for metric name " + quote(name);
}

/// The series of an operand that make up one classic histogram.
struct Histogram {
    Labels labels;
    std::vector<std::pair<double, std::size_t>> bounds;  ///< upper bound and the series

    /// The buckets that have a value at a step.
    void at(const SeriesSet& set, std::size_t step, std::vector<Bucket>& buckets) const {
        buckets.clear();
        for (const auto& [upper, s] : bounds) {
            const double count = set[s].values[step];
            if (!isAbsent(count)) {
                buckets.push_back({upper, count});
            }
        }
    }
};

std::vector<Histogram> histogramsOf(Context& context, const SeriesSet& set, const Expr& cited) {
    std::vector<Histogram> histograms;
    std::unordered_map<Labels, std::size_t, LabelsHash> known;
    for (std::size_t s = 0; s < set.size(); ++s) {
        QueryLimits::enforceMemory();
        auto labels = set[s].labels;
        const auto bound = parseBound(labels.get("le"));
        if (!bound) {
            context.warn("bucket label \"le\" is missing or has a malformed value of " +
                             quote(labels.get("le")) + forMetric(labels.metricName()),
                         cited);
            continue;
        }
        labels.erase("le");
        const auto [it, fresh] = known.emplace(labels, histograms.size());
        if (fresh) {
            histograms.push_back({std::move(labels), {}});
        }
        histograms[it->second].bounds.emplace_back(*bound, s);
    }
    return histograms;
}

/// One value for each histogram and step.
template <class Function>
Expected<Value> ofHistograms(Evaluator& evaluator, const Expr& operand, const Expr& cited, const Grid& grid,
                             Function function) {
    auto set = evaluator.vector(operand, grid);
    if (!set) {
        return fail(set.error());
    }
    SeriesSet out;
    std::vector<Bucket> buckets;
    for (auto& histogram : histogramsOf(evaluator.context(), *set, cited)) {
        if (auto go_on = evaluator.context().proceed(); !go_on) {
            return fail(go_on.error());
        }
        Series series{std::move(histogram.labels), ScalarValues(grid.points, absent())};
        for (std::size_t i = 0; i < grid.points; ++i) {
            evaluator.context().proceedOrThrow();
            histogram.at(*set, i, buckets);
            if (buckets.empty()) {
                continue;
            }
            series.values[i] = function(series.labels.metricName(), buckets, i);
            // Prometheus' warnings after this point carry no name.
            dropName(evaluator.context(), series.labels);
        }
        out.push_back(std::move(series));
    }
    removeEmpty(out);
    if (auto done = unify(out, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return out;
}

Expected<Value> histogramQuantile(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto& context = evaluator.context();
    auto quantiles = evaluator.scalar(*call.arguments[0], grid);
    if (!quantiles) {
        return fail(quantiles.error());
    }
    for (const double q : *quantiles) {
        if (!(q >= 0 && q <= 1)) {
            warnOfQuantile(context, q, citedPart(call, *call.arguments[0]));
        }
    }
    const auto& operand = *call.arguments[1];
    const auto& cited = citedPart(call, operand);
    const bool version2 = context.version2();
    return ofHistograms(evaluator, operand, cited, grid, [&](auto name, const auto& buckets, std::size_t i) {
        const auto quantile = bucketQuantile((*quantiles)[i], buckets, version2);
        if (quantile.forced_monotonic) {
            context.inform(
                "input to histogram_quantile needed to be fixed for monotonicity (see "
                "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)" +
                    forMetric(name),
                cited);
        }
        return quantile.value;
    });
}

/// These functions read native histograms, which are never stored (the receiver counts and refuses them).
Expected<Value> ofNativeHistograms(Evaluator& evaluator, const Call& call, const Grid& grid) {
    for (const auto& argument : call.arguments) {
        auto value = evaluator.evaluate(*argument, grid);
        if (!value) {
            return value;
        }
    }
    evaluator.context().remark(
        std::string(call.function->name) +
        "() reads native histograms, which are not stored: there is nothing to compute it from");
    return SeriesSet();
}

/// Version 2 supports native histograms only.
Expected<Value> histogramFraction(Evaluator& evaluator, const Call& call, const Grid& grid) {
    if (evaluator.context().version2()) {
        return ofNativeHistograms(evaluator, call, grid);
    }
    auto lower = evaluator.scalar(*call.arguments[0], grid);
    if (!lower) {
        return fail(lower.error());
    }
    auto upper = evaluator.scalar(*call.arguments[1], grid);
    if (!upper) {
        return fail(upper.error());
    }
    const auto& operand = *call.arguments[2];
    return ofHistograms(evaluator, operand, citedPart(call, operand), grid,
                        [&](auto /*name*/, const auto& buckets, std::size_t i) {
                            return bucketFraction((*lower)[i], (*upper)[i], buckets);
                        });
}

}  // namespace

CallHandler findHistogramFunction(std::string_view name) {
    if (name == "histogram_quantile") {
        return histogramQuantile;
    }
    if (name == "histogram_fraction") {
        return histogramFraction;
    }
    return name.starts_with("histogram_") ? ofNativeHistograms : nullptr;
}

}  // namespace lapwing::promql
