#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "common/model/remote_write.h"
#include "common/model/sample.h"

namespace lapwing {

/// Flattens the families that a probe returns into series of one sample, as a scrape of their text exposition
/// does: histograms and summaries become `_bucket`, `_sum`, `_count` and quantile series. `extra` labels
/// (job, instance) are added, and replace a metric's labels of the same name. The time is the metric's own,
/// or `at` if that is 0.
void appendFamilies(const std::vector<prometheus::MetricFamily>& families, const Labels& extra,
                    TimestampMs at, std::vector<TimeSeries>& out);

/// A bound (`le`, `quantile`) as Go prints it ('g'), which Prometheus 2 did: the shortest decimal that reads
/// back as the same double, with an exponent below 1e-4 and from 1e6 on.
std::string boundText(double value);

/// The metadata of a family.
MetricMetadata describe(const prometheus::MetricFamily& family);

/// Families without a metric, for probes.
prometheus::MetricFamily gauge(std::string name, std::string help);
prometheus::MetricFamily counter(std::string name, std::string help);
/// Adds a metric to a family of counters, gauges or untyped metrics. Values of labels become UTF-8
/// (asUtf8()).
void add(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels, double value);

}  // namespace lapwing
