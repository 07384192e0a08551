#pragma once

#include <prometheus/metric_family.h>

#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::nginx {

/// Reads the output of Nginx's stub_status module (ngx_http_stub_status_module) into the metrics of
/// nginx-prometheus-exporter:
///
///     Active connections: 3
///     server accepts handled requests
///      7 7 6
///     Reading: 0 Writing: 1 Waiting: 2
///
/// Pure function. Error `protocol` for any other page and for a truncated one.
Expected<std::vector<prometheus::MetricFamily>> parseStubStatus(std::string_view text);

}  // namespace lapwing::agent::nginx
