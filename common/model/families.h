#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "common/model/remote_write.h"
#include "common/model/sample.h"

namespace lapwing {

/// Flattens families (what a probe returns) into one-sample series, as a scrape of their text exposition
/// would: histograms and summaries become `_bucket`, `_sum`, `_count` and quantile series. `extra` labels
/// (job, instance) are added and win over a family's own of the same name. A metric's own timestamp is kept
/// where it has one (not 0), else `at`.
void appendFamilies(const std::vector<prometheus::MetricFamily>& families, const Labels& extra,
                    TimestampMs at, std::vector<TimeSeries>& out);

/// What a family says of itself.
MetricMetadata describe(const prometheus::MetricFamily& family);

/// Short hands for building families in probes: one metric with one value.
prometheus::MetricFamily gauge(std::string name, std::string help);
prometheus::MetricFamily counter(std::string name, std::string help);
/// Adds a metric to a family made by gauge() or counter().
void add(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels, double value);

}  // namespace lapwing
