#include <algorithm>
#include <cmath>
#include <limits>

#include "collector/promql/aggregate.h"
#include "collector/promql/numbers.h"
#include "collector/promql/series_set.h"

namespace lapwing::promql {
namespace {

/// Just inside of 64 bits.
constexpr double kMostCount = 9.223372036854775e18;

struct Candidate {
    double value;
    std::size_t series;
};

/// Best first: the largest, or the smallest; NaN comes last; of equals the earlier.
bool better(Aggregation op, const Candidate& a, const Candidate& b) {
    if (std::isnan(a.value) || std::isnan(b.value)) return !std::isnan(a.value);
    return op == Aggregation::topk ? a.value > b.value : a.value < b.value;
}

void keepBest(Aggregation op, std::size_t k, std::vector<Candidate>& candidates) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [op](const Candidate& a, const Candidate& b) { return better(op, a, b); });
    if (candidates.size() > k) candidates.resize(k);
}

/// A number in [0, 1) that depends on the labels alone.
double position(const Labels& labels) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto mix = [&hash](std::string_view text) {
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        hash = (hash ^ 0xffU) * 0x100000001b3U;
    };
    for (const auto& label : labels) {
        mix(label.name);
        mix(label.value);
    }
    // FNV leaves the high bits of short texts alike; finish as MurmurHash3 does.
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdU;
    hash ^= hash >> 33;
    return static_cast<double>(hash >> 11) / static_cast<double>(1ULL << 53);
}

bool sampled(double ratio, double at) {
    // A negative ratio takes exactly what its complement leaves.
    return ratio >= 0 ? at < ratio : at >= 1 + ratio;
}

Expected<std::size_t> count(double parameter) {
    if (!(parameter >= -kMostCount && parameter <= kMostCount)) {
        return fail(ErrorKind::execution, "Scalar value " + formatNumber(parameter) + " overflows int64");
    }
    return parameter < 1 ? 0 : static_cast<std::size_t>(parameter);
}

}  // namespace

Expected<SeriesSet> evaluateSelection(const Aggregate& aggregate, SeriesSet operand,
                                      const std::vector<std::size_t>& groups, std::size_t group_count,
                                      const ScalarValues& parameter, std::size_t points) {
    const auto op = aggregate.op;
    std::vector<std::vector<std::size_t>> members(group_count);
    for (std::size_t s = 0; s < operand.size(); ++s) members[groups[s]].push_back(s);
    std::vector<double> positions;
    if (op == Aggregation::limit_ratio) {
        for (const auto& series : operand) positions.push_back(position(series.labels));
    }

    std::vector<ScalarValues> chosen(operand.size());
    std::vector<std::size_t> order;
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < points; ++i) {
        std::size_t k = std::numeric_limits<std::size_t>::max();
        if (op == Aggregation::limit_ratio) {
            if (std::isnan(parameter[i])) return fail(ErrorKind::execution, "Ratio value NaN is NaN");
        } else {
            const auto wanted = count(parameter[i]);
            if (!wanted) return tl::unexpected<Error>(wanted.error());
            k = *wanted;
        }
        if (k == 0) continue;
        for (const auto& group : members) {
            candidates.clear();
            for (const auto s : group) {
                const double value = operand[s].values[i];
                if (isAbsent(value)) continue;
                if (op == Aggregation::limit_ratio && !sampled(parameter[i], positions[s])) continue;
                if (op == Aggregation::limitk && candidates.size() >= k) break;
                candidates.push_back({value, s});
            }
            if (op == Aggregation::topk || op == Aggregation::bottomk) keepBest(op, k, candidates);
            for (const auto& candidate : candidates) {
                auto& values = chosen[candidate.series];
                if (values.empty()) {
                    values.resize(points, absent());
                    order.push_back(candidate.series);
                }
                values[i] = candidate.value;
            }
        }
    }
    SeriesSet out;
    out.reserve(order.size());
    for (const auto s : order) out.push_back({std::move(operand[s].labels), std::move(chosen[s])});
    return out;
}

}  // namespace lapwing::promql
