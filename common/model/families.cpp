#include "common/model/families.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace lapwing {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Flattener {
  public:
    Flattener(const Labels& extra, TimestampMs at, std::vector<TimeSeries>& out)
        : extra_(extra), at_(at), out_(out) {}

    void add(const std::string& name, const ClientMetric& metric, double value, const Label* more = nullptr) {
        std::vector<Label> labels;
        labels.reserve(metric.label.size() + extra_.size() + 2);
        labels.push_back({"__name__", name});
        for (const auto& label : metric.label) {
            labels.push_back({label.name, label.value});
        }
        if (more != nullptr) {
            labels.push_back(*more);
        }
        for (const auto& label : extra_) {
            labels.push_back(label);
        }
        const TimestampMs at = metric.timestamp_ms != 0 ? metric.timestamp_ms : at_;
        out_.push_back({Labels(std::move(labels)), {{at, value}}});
    }

  private:
    const Labels& extra_;
    TimestampMs at_;
    std::vector<TimeSeries>& out_;
};

}  // namespace

std::string boundText(double value) {
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    std::array<char, 32> buffer;
    const auto print = [&](std::chars_format format) {
        const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
        return std::string(buffer.data(), end);
    };
    const auto size = std::abs(value);
    const bool plain = size == 0 || (size >= 1e-4 && size < 1e6);
    return print(plain ? std::chars_format::fixed : std::chars_format::scientific);
}

void appendFamilies(const std::vector<MetricFamily>& families, const Labels& extra, TimestampMs at,
                    std::vector<TimeSeries>& out) {
    Flattener flat(extra, at, out);
    for (const auto& family : families) {
        for (const auto& metric : family.metric) {
            switch (family.type) {
                case MetricType::Counter:
                    flat.add(family.name, metric, metric.counter.value);
                    break;
                case MetricType::Gauge:
                    flat.add(family.name, metric, metric.gauge.value);
                    break;
                case MetricType::Summary: {
                    for (const auto& quantile : metric.summary.quantile) {
                        const Label label{"quantile", boundText(quantile.quantile)};
                        flat.add(family.name, metric, quantile.value, &label);
                    }
                    flat.add(family.name + "_sum", metric, metric.summary.sample_sum);
                    flat.add(family.name + "_count", metric,
                             static_cast<double>(metric.summary.sample_count));
                    break;
                }
                case MetricType::Histogram: {
                    bool infinite = false;
                    for (const auto& bucket : metric.histogram.bucket) {
                        const Label label{"le", boundText(bucket.upper_bound)};
                        infinite = infinite || std::isinf(bucket.upper_bound);
                        flat.add(family.name + "_bucket", metric,
                                 static_cast<double>(bucket.cumulative_count), &label);
                    }
                    const auto count = static_cast<double>(metric.histogram.sample_count);
                    if (!infinite) {
                        const Label label{"le", "+Inf"};
                        flat.add(family.name + "_bucket", metric, count, &label);
                    }
                    flat.add(family.name + "_sum", metric, metric.histogram.sample_sum);
                    flat.add(family.name + "_count", metric, count);
                    break;
                }
                // Newer releases of prometheus-cpp have more types, which no probe uses.
                default:
                    flat.add(family.name, metric, metric.untyped.value);
                    break;
            }
        }
    }
}

MetricMetadata describe(const MetricFamily& family) {
    const auto type = [&] {
        switch (family.type) {
            case MetricType::Counter:
                return "counter";
            case MetricType::Gauge:
                return "gauge";
            case MetricType::Summary:
                return "summary";
            case MetricType::Histogram:
                return "histogram";
            default:
                return "unknown";
        }
    };
    return {family.name, type(), family.help, ""};
}

MetricFamily gauge(std::string name, std::string help) {
    return {std::move(name), std::move(help), MetricType::Gauge, {}};
}

MetricFamily counter(std::string name, std::string help) {
    return {std::move(name), std::move(help), MetricType::Counter, {}};
}

void add(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    for (auto& label : metric.label) {
        label.value = asUtf8(std::move(label.value));
    }
    if (family.type == MetricType::Counter) {
        metric.counter.value = value;
    } else if (family.type == MetricType::Untyped) {
        metric.untyped.value = value;
    } else {
        metric.gauge.value = value;
    }
    family.metric.push_back(std::move(metric));
}

}  // namespace lapwing
