#ifndef __clang_analyzer__  // which follows the hash into its header, and takes its input for null
#define XXH_INLINE_ALL      // the header alone: no library is needed at run time
#endif
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "collector/promql/aggregate.h"
#include "collector/promql/numbers.h"
#include "collector/promql/series_set.h"

namespace lapwing::promql {
namespace {

/// The largest double below 2^64.
constexpr double kMostCount = 9.223372036854775e18;
constexpr double kMostHash = 18446744073709551615.0;

/// Values between two looks at the limits of the query: some milliseconds of work.
constexpr std::size_t kWorkBetweenChecks = 1U << 16;

struct Candidate {
    double value;
    std::size_t series;
};

/// Keeps the k best candidates, the largest or the smallest. Among equals it keeps the same ones as
/// Prometheus, because it uses the same binary heap with the worst candidate on top.
class Best {
  public:
    Best(Aggregation op, std::size_t k, bool version2)
        : largest_(op == Aggregation::topk), k_(k), version2_(version2) {}

    void add(Candidate candidate) {
        if (heap_.size() < k_) {
            return push(candidate);
        }
        const double worst = heap_.front().value;
        const bool nan = std::isnan(worst) && (version2_ || !std::isnan(candidate.value));
        if (!nan && !(largest_ ? worst < candidate.value : worst > candidate.value)) {
            return;
        }
        if (version2_ && k_ > 1) {
            std::swap(heap_.front(), heap_.back());
            heap_.pop_back();
            sink();
            push(candidate);
        } else {
            heap_.front() = candidate;
            sink();
        }
    }

    /// Best first, NaN last.
    std::vector<Candidate> take() {
        std::stable_sort(heap_.begin(), heap_.end(), [this](const Candidate& a, const Candidate& b) {
            return !std::isnan(a.value) && worse(b, a);
        });
        return std::move(heap_);
    }

  private:
    bool worse(const Candidate& a, const Candidate& b) const {
        return std::isnan(a.value) || (largest_ ? a.value < b.value : a.value > b.value);
    }
    void push(Candidate candidate) {
        heap_.push_back(candidate);
        for (auto i = heap_.size() - 1; i > 0 && worse(heap_[i], heap_[(i - 1) / 2]); i = (i - 1) / 2) {
            std::swap(heap_[i], heap_[(i - 1) / 2]);
        }
    }
    /// Sifts the top down to its place.
    void sink() {
        for (std::size_t i = 0, child = 1; child < heap_.size(); child = 2 * i + 1) {
            if (child + 1 < heap_.size() && worse(heap_[child + 1], heap_[child])) {
                ++child;
            }
            if (!worse(heap_[child], heap_[i])) {
                return;
            }
            std::swap(heap_[i], heap_[child]);
            i = child;
        }
    }

    bool largest_;
    std::size_t k_;
    bool version2_;
    std::vector<Candidate> heap_;
};

void appendSized(std::string& out, std::string_view text) {
    if (text.size() < 255) {
        out += static_cast<char>(text.size());
    } else {
        out += '\xff';
        for (std::size_t shift = 0; shift < 24; shift += 8) {
            out += static_cast<char>(text.size() >> shift);
        }
    }
    out += text;
}

/// Where limit_ratio() places a series between 0 and 1: Prometheus' hash of the labels, so that both choose
/// the same series. The hash covers the bytes in which Prometheus keeps labels.
double position(const Labels& labels) {
    std::string bytes;
    for (const auto& label : labels) {
        appendSized(bytes, label.name);
        appendSized(bytes, label.value);
    }
    return static_cast<double>(XXH64(bytes.data(), bytes.size(), 0)) / kMostHash;
}

/// A negative ratio selects exactly the series that its complement leaves out.
bool sampled(double ratio, double at) {
    ratio = std::clamp(ratio, -1.0, 1.0);
    return ratio >= 0 ? at < ratio : at >= 1 + ratio;
}

/// Whether any series can be selected. Warns about ratios outside [-1, 1].
bool canChoose(Context& context, const Aggregate& aggregate, const ScalarValues& parameter) {
    if (context.version2() && aggregate.op != Aggregation::limit_ratio) {
        return true;
    }
    const Extremes extremes(parameter);
    if (aggregate.op != Aggregation::limit_ratio) {
        return !(extremes.most < 1);
    }
    if (extremes.most == 0 && extremes.least == 0) {
        return false;
    }
    const auto warn = [&](double ratio, const char* limit) {
        context.warn(
            "ratio value should be between -1 and 1, got " + formatBrief(ratio) + ", capping to " + limit,
            unwrapParens(*aggregate.parameter));
    };
    if (extremes.most > 1) {
        warn(extremes.most, "1");
    }
    if (extremes.least < -1) {
        warn(extremes.least, "-1");
    }
    return true;
}

/// The error in a step's parameter; "" if the parameter is right.
std::string problem(Aggregation op, double parameter) {
    if (op == Aggregation::limit_ratio) {
        return std::isnan(parameter) ? "Ratio value NaN is NaN" : "";
    }
    if (parameter >= -kMostCount && parameter <= kMostCount) {
        return "";
    }
    return "Scalar value " + formatBrief(parameter) + " overflows int64";
}

bool anyAt(const SeriesSet& set, std::size_t step) {
    return std::any_of(set.begin(), set.end(),
                       [step](const Series& series) { return !isAbsent(series.values[step]); });
}

}  // namespace

Expected<SeriesSet> evaluateSelection(Context& context, const Aggregate& aggregate, SeriesSet operand,
                                      const std::vector<std::size_t>& groups, std::size_t group_count,
                                      const ScalarValues& parameter, std::size_t points) {
    const auto op = aggregate.op;
    if (!canChoose(context, aggregate, parameter)) {
        return SeriesSet();
    }
    std::vector<std::vector<std::size_t>> members(group_count);
    for (std::size_t s = 0; s < operand.size(); ++s) {
        members[groups[s]].push_back(s);
    }
    std::vector<double> positions;
    if (op == Aggregation::limit_ratio) {
        for (const auto& series : operand) {
            context.proceedOrThrow();
            positions.push_back(position(series.labels));
        }
    }

    std::vector<ScalarValues> chosen(operand.size());
    std::vector<std::size_t> order;
    std::vector<Candidate> candidates;
    std::size_t work = 0;
    for (std::size_t i = 0; i < points; ++i) {
        work += 1 + operand.size();
        if (work >= kWorkBetweenChecks) {
            if (auto go_on = context.proceed(); !go_on) {
                return fail(go_on.error());
            }
            work = 0;
        }
        if (auto wrong = problem(op, parameter[i]); !wrong.empty()) {
            // Version 3 checks the parameter only where there are series to choose from.
            if (context.version2() || anyAt(operand, i)) {
                return fail(ErrorKind::execution, std::move(wrong));
            }
            continue;
        }
        const bool counts = op != Aggregation::limit_ratio;
        if (counts && parameter[i] < 1) {
            continue;
        }
        const auto k = counts ? static_cast<std::size_t>(parameter[i]) : operand.size();
        for (const auto& group : members) {
            candidates.clear();
            Best best(op, k, context.version2());
            for (const auto s : group) {
                const double value = operand[s].values[i];
                if (isAbsent(value)) {
                    continue;
                }
                if (op == Aggregation::topk || op == Aggregation::bottomk) {
                    best.add({value, s});
                } else if (op == Aggregation::limitk ? candidates.size() < k
                                                     : sampled(parameter[i], positions[s])) {
                    candidates.push_back({value, s});
                }
            }
            if (op == Aggregation::topk || op == Aggregation::bottomk) {
                candidates = best.take();
            }
            for (const auto& candidate : candidates) {
                auto& values = chosen[candidate.series];
                if (values.empty()) {
                    context.proceedOrThrow();
                    values.resize(points, absent());
                    order.push_back(candidate.series);
                }
                values[i] = candidate.value;
            }
        }
    }
    SeriesSet out;
    out.reserve(order.size());
    for (const auto s : order) {
        out.push_back({std::move(operand[s].labels), std::move(chosen[s])});
    }
    return out;
}

}  // namespace lapwing::promql
