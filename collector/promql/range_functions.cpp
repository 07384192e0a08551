#include "collector/promql/range_functions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "collector/promql/kahan.h"
#include "collector/promql/named.h"

namespace lapwing::promql {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double seconds(TimestampMs ms) {
    return static_cast<double>(ms) / 1000;
}

double extrapolated(const Window& window, bool counter, bool per_second) {
    const auto samples = window.samples;
    if (samples.size() < 2) {
        return absent();
    }
    double result = samples.back().value - samples.front().value;
    if (counter && window.falls) {
        double previous = samples.front().value;
        for (const auto& sample : samples) {
            if (sample.value < previous) {
                result += previous;
            }
            previous = sample.value;
        }
    }
    double to_start = seconds(samples.front().timestamp - window.start);
    double to_end = seconds(window.end - samples.back().timestamp);
    const double sampled = seconds(samples.back().timestamp - samples.front().timestamp);
    const double average = sampled / static_cast<double>(samples.size() - 1);
    const double threshold = average * 1.1;
    // A counter is not extrapolated below zero. Version 3 first limits the extrapolation to half an
    // interval, version 2 does so afterwards.
    const auto limit_to_zero = [&] {
        if (!counter || !(result > 0) || !(samples.front().value >= 0)) {
            return;
        }
        to_start = std::min(to_start, sampled * (samples.front().value / result));
    };
    if (window.compat2) {
        limit_to_zero();
    }
    if (to_start >= threshold) {
        to_start = average / 2;
    }
    if (!window.compat2) {
        limit_to_zero();
    }
    if (to_end >= threshold) {
        to_end = average / 2;
    }
    double factor = (sampled + to_start + to_end) / sampled;
    if (per_second) {
        factor /= window.rangeSeconds();
    }
    return result * factor;
}

double rate(const Window& window) {
    return extrapolated(window, true, true);
}
double increase(const Window& window) {
    return extrapolated(window, true, false);
}
double delta(const Window& window) {
    return extrapolated(window, false, false);
}

double lastTwo(const Window& window, bool per_second) {
    if (window.samples.size() < 2) {
        return absent();
    }
    const auto& last = window.samples.back();
    const auto& previous = window.samples[window.samples.size() - 2];
    // A counter that was reset counts from zero.
    double result = per_second && last.value < previous.value ? last.value : last.value - previous.value;
    const auto interval = last.timestamp - previous.timestamp;
    if (interval == 0) {
        return absent();
    }
    if (per_second) {
        result /= seconds(interval);
    }
    return result;
}

double irate(const Window& window) {
    return lastTwo(window, true);
}
double idelta(const Window& window) {
    return lastTwo(window, false);
}

struct Line {
    double slope = 0;
    double intercept = 0;
};

/// Least squares; times are relative to `origin`.
Line regression(std::span<const Sample> samples, TimestampMs origin) {
    const double first = samples.front().value;
    const bool constant = std::all_of(samples.begin(), samples.end(),
                                      [&](const Sample& sample) { return sample.value == first; });
    if (constant) {
        return std::isinf(first) ? Line{kNaN, kNaN} : Line{0, first};
    }
    KahanSum sum_x;
    KahanSum sum_y;
    KahanSum sum_xy;
    KahanSum sum_xx;
    for (const auto& sample : samples) {
        const double x = seconds(sample.timestamp - origin);
        sum_x.add(x);
        sum_y.add(sample.value);
        sum_xy.add(x * sample.value);
        sum_xx.add(x * x);
    }
    const auto n = static_cast<double>(samples.size());
    const double covariance = sum_xy.value() - sum_x.value() * sum_y.value() / n;
    const double variance = sum_xx.value() - sum_x.value() * sum_x.value() / n;
    Line line;
    line.slope = covariance / variance;
    line.intercept = sum_y.value() / n - line.slope * sum_x.value() / n;
    return line;
}

double deriv(const Window& window) {
    if (window.samples.size() < 2) {
        return absent();
    }
    return regression(window.samples, window.samples.front().timestamp).slope;
}

double predictLinear(const Window& window) {
    if (window.samples.size() < 2) {
        return absent();
    }
    const auto line = regression(window.samples, window.at);
    return line.slope * window.parameters[0] + line.intercept;
}

double doubleExponentialSmoothing(const Window& window) {
    const auto samples = window.samples;
    const double smoothing = window.parameters[0];
    const double trend_factor = window.parameters[1];
    if (samples.size() < 2) {
        return absent();
    }
    double previous = 0;
    double current = samples[0].value;
    double trend = samples[1].value - samples[0].value;
    for (std::size_t i = 1; i < samples.size(); ++i) {
        if (i > 1) {
            trend = trend_factor * (current - previous) + (1 - trend_factor) * trend;
        }
        const double smoothed = smoothing * samples[i].value + (1 - smoothing) * (current + trend);
        previous = current;
        current = smoothed;
    }
    return current;
}

double sumOverTime(const Window& window) {
    KahanSum sum;
    for (const auto& sample : window.samples) {
        sum.add(sample.value);
    }
    return sum.value();
}

template <class Accumulator>
double meanOf(std::span<const Sample> samples) {
    Accumulator mean;
    for (const auto& sample : samples) {
        mean.add(sample.value);
    }
    return mean.value();
}

double averageOverTime(const Window& window) {
    return window.compat2 ? meanOf<RunningMean>(window.samples) : meanOf<Mean>(window.samples);
}

double countOverTime(const Window& window) {
    return static_cast<double>(window.samples.size());
}

double lastOverTime(const Window& window) {
    return window.samples.back().value;
}
double firstOverTime(const Window& window) {
    return window.samples.front().value;
}

double maxOverTime(const Window& window) {
    double result = window.samples.front().value;
    for (const auto& sample : window.samples) {
        if (sample.value > result || std::isnan(result)) {
            result = sample.value;
        }
    }
    return result;
}

double minOverTime(const Window& window) {
    double result = window.samples.front().value;
    for (const auto& sample : window.samples) {
        if (sample.value < result || std::isnan(result)) {
            result = sample.value;
        }
    }
    return result;
}

double variance(const Window& window) {
    KahanSum mean;
    KahanSum squares;
    double count = 0;
    for (const auto& sample : window.samples) {
        count += 1;
        const double difference = sample.value - mean.value();
        mean.add(difference / count);
        squares.add(difference * (sample.value - mean.value()));
    }
    return squares.value() / count;
}

double deviation(const Window& window) {
    return std::sqrt(variance(window));
}

double presentOverTime(const Window& /*window*/) {
    return 1;
}

double changes(const Window& window) {
    double count = 0;
    double previous = window.samples.front().value;
    for (const auto& sample : window.samples) {
        if (sample.value != previous && !(std::isnan(sample.value) && std::isnan(previous))) {
            count += 1;
        }
        previous = sample.value;
    }
    return count;
}

double resets(const Window& window) {
    double count = 0;
    double previous = window.samples.front().value;
    for (const auto& sample : window.samples) {
        if (sample.value < previous) {
            count += 1;
        }
        previous = sample.value;
    }
    return count;
}

/// The time of the last largest (or smallest) value; NaN counts only if there is no other value.
template <bool largest>
double timeOfExtreme(const Window& window) {
    auto best = window.samples.front();
    for (const auto& sample : window.samples) {
        const bool better = largest ? sample.value >= best.value : sample.value <= best.value;
        if (better || std::isnan(best.value)) {
            best = sample;
        }
    }
    return seconds(best.timestamp);
}

double timeOfLast(const Window& window) {
    return seconds(window.samples.back().timestamp);
}

std::vector<double> valuesOf(const Window& window) {
    std::vector<double> values;
    values.reserve(window.samples.size());
    for (const auto& sample : window.samples) {
        values.push_back(sample.value);
    }
    return values;
}

double quantileOverTime(const Window& window) {
    auto values = valuesOf(window);
    return quantileOf(window.parameters[0], values);
}

double medianAbsoluteDeviation(const Window& window) {
    auto values = valuesOf(window);
    const double median = quantileOf(0.5, values);
    for (auto& value : values) {
        value = std::abs(value - median);
    }
    return quantileOf(0.5, values);
}

constexpr std::array<Named<RangeFunction>, 26> kFunctions = {
    {{"avg_over_time", averageOverTime},
     {"changes", changes},
     {"count_over_time", countOverTime},
     {"delta", delta},
     {"deriv", deriv},
     {"double_exponential_smoothing", doubleExponentialSmoothing},
     {"first_over_time", firstOverTime},
     {"holt_winters", doubleExponentialSmoothing},
     {"idelta", idelta},
     {"increase", increase},
     {"irate", irate},
     {"last_over_time", lastOverTime},
     {"mad_over_time", medianAbsoluteDeviation},
     {"max_over_time", maxOverTime},
     {"min_over_time", minOverTime},
     {"predict_linear", predictLinear},
     {"present_over_time", presentOverTime},
     {"quantile_over_time", quantileOverTime},
     {"rate", rate},
     {"resets", resets},
     {"stddev_over_time", deviation},
     {"stdvar_over_time", variance},
     {"sum_over_time", sumOverTime},
     {"ts_of_last_over_time", timeOfLast},
     {"ts_of_max_over_time", timeOfExtreme<true>},
     {"ts_of_min_over_time", timeOfExtreme<false>}}};

}  // namespace

RangeFunction findRangeFunction(std::string_view name) {
    return findNamed(kFunctions, name);
}

bool keepsName(std::string_view name) {
    return name == "last_over_time" || name == "first_over_time";
}

double quantileOf(double q, std::vector<double>& values) {
    if (values.empty() || std::isnan(q)) {
        return kNaN;
    }
    if (q < 0) {
        return -std::numeric_limits<double>::infinity();
    }
    if (q > 1) {
        return std::numeric_limits<double>::infinity();
    }
    // As in Prometheus, NaN sorts first.
    std::sort(values.begin(), values.end(),
              [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
    const auto n = static_cast<double>(values.size());
    const double rank = q * (n - 1);
    const auto lower = static_cast<std::size_t>(std::max(0.0, std::floor(rank)));
    const auto upper = std::min(values.size() - 1, lower + 1);
    const double weight = rank - std::floor(rank);
    return values[lower] * (1 - weight) + values[upper] * weight;
}

}  // namespace lapwing::promql
