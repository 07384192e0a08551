#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "collector/promql/functions.h"
#include "collector/promql/numbers.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

tl::unexpected<Error> pass(const Error& error) {
    return tl::unexpected<Error>(error);
}

struct Bucket {
    double upper = 0;
    double count = 0;
};

/// Buckets of the same bound are added up, and counts made monotonic: what is scraped is not one moment's
/// picture.
std::vector<Bucket> regular(std::vector<Bucket> buckets) {
    std::stable_sort(buckets.begin(), buckets.end(),
                     [](const Bucket& a, const Bucket& b) { return a.upper < b.upper; });
    std::vector<Bucket> out;
    for (const auto& bucket : buckets) {
        if (!out.empty() && out.back().upper == bucket.upper) {
            out.back().count += bucket.count;
        } else {
            out.push_back(bucket);
        }
    }
    for (std::size_t i = 1; i < out.size(); ++i) out[i].count = std::max(out[i].count, out[i - 1].count);
    return out;
}

/// The quantile of a classic histogram, linear within its bucket; the first bucket begins at 0 if its bound
/// is positive.
double bucketQuantile(double q, std::vector<Bucket> unordered) {
    if (std::isnan(q)) return kNaN;
    if (q < 0) return -kInfinity;
    if (q > 1) return kInfinity;
    const bool has_infinity = std::any_of(unordered.begin(), unordered.end(),
                                          [](const Bucket& bucket) { return bucket.upper == kInfinity; });
    if (!has_infinity) return kNaN;
    const auto buckets = regular(std::move(unordered));
    if (buckets.size() < 2) return kNaN;
    const double observations = buckets.back().count;
    if (observations == 0) return kNaN;
    double rank = q * observations;
    const auto found =
        std::lower_bound(buckets.begin(), buckets.end() - 1, rank,
                         [](const Bucket& bucket, double wanted) { return bucket.count < wanted; });
    const auto b = static_cast<std::size_t>(found - buckets.begin());
    if (b == buckets.size() - 1) return buckets[buckets.size() - 2].upper;
    if (b == 0 && buckets[0].upper <= 0) return buckets[0].upper;
    double start = 0;
    double count = buckets[b].count;
    if (b > 0) {
        start = buckets[b - 1].upper;
        count -= buckets[b - 1].count;
        rank -= buckets[b - 1].count;
    }
    return start + (buckets[b].upper - start) * (rank / count);
}

Expected<Value> histogramQuantile(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto& context = evaluator.context();
    auto quantiles = evaluator.scalar(*call.arguments[0], grid);
    if (!quantiles) return pass(quantiles.error());
    auto set = evaluator.vector(*call.arguments[1], grid);
    if (!set) return pass(set.error());
    for (const double q : *quantiles) {
        if (!(q >= 0 && q <= 1)) {
            context.warn("PromQL warning: quantile value should be between 0 and 1, got " + formatNumber(q));
        }
    }

    struct Histogram {
        Labels labels;
        std::vector<std::pair<double, std::size_t>> bounds;  // upper bound and the series
    };
    std::vector<Histogram> histograms;
    std::unordered_map<Labels, std::size_t, LabelsHash> known;
    for (std::size_t s = 0; s < set->size(); ++s) {
        auto labels = (*set)[s].labels;
        const auto bound = parseBound(labels.get("le"));
        if (!bound) {
            context.warn("PromQL warning: bucket label \"le\" is missing or has a malformed value of " +
                         quote(labels.get("le")) + " for metric name " + quote(labels.metricName()));
            continue;
        }
        labels.erase("le");
        labels.erase("__name__");
        const auto [it, fresh] = known.emplace(labels, histograms.size());
        if (fresh) histograms.push_back({std::move(labels), {}});
        histograms[it->second].bounds.emplace_back(*bound, s);
    }
    SeriesSet out;
    std::vector<Bucket> buckets;
    for (auto& histogram : histograms) {
        if (auto go_on = context.proceed(); !go_on) return pass(go_on.error());
        Series series{std::move(histogram.labels), ScalarValues(grid.points, absent())};
        for (std::size_t i = 0; i < grid.points; ++i) {
            buckets.clear();
            for (const auto& [upper, s] : histogram.bounds) {
                const double count = (*set)[s].values[i];
                if (!isAbsent(count)) buckets.push_back({upper, count});
            }
            if (!buckets.empty()) series.values[i] = bucketQuantile((*quantiles)[i], buckets);
        }
        out.push_back(std::move(series));
    }
    removeEmpty(out);
    return out;
}

/// These read native histograms, of which none is ever stored (the receiver counts and refuses them).
Expected<Value> ofNativeHistograms(Evaluator& evaluator, const Call& call, const Grid& grid) {
    for (const auto& argument : call.arguments) {
        auto value = evaluator.evaluate(*argument, grid);
        if (!value) return value;
    }
    evaluator.context().warn(
        std::string(call.function->name) +
        "() reads native histograms, which are not stored: there is nothing to compute it from");
    return SeriesSet();
}

}  // namespace

CallHandler findHistogramFunction(std::string_view name) {
    if (name == "histogram_quantile") return histogramQuantile;
    return name.starts_with("histogram_") ? ofNativeHistograms : nullptr;
}

}  // namespace lapwing::promql
