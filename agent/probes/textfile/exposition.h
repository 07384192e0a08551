#pragma once

#include <prometheus/metric_family.h>

#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::textfile {

/// Reads Prometheus' text format 0.0.4, as strictly as node_exporter's textfile collector does: the last line
/// needs its end, no line ends with a blank, HELP and TYPE stand once and before the samples. Buckets, sums,
/// counts and quantiles are joined to histograms and summaries. Families are in the order of the text; one
/// without samples is left out. Pure. Error `invalid`, with the line; timestamps are an error, too.
Expected<std::vector<prometheus::MetricFamily>> parseExposition(std::string_view text);

}  // namespace lapwing::agent::textfile
