#pragma once

#include <prometheus/metric_family.h>

#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::nginx {

/// What Nginx's stub_status module prints (ngx_http_stub_status_module), as nginx-prometheus-exporter's
/// metrics:
///
///     Active connections: 3
///     server accepts handled requests
///      7 7 6
///     Reading: 0 Writing: 1 Waiting: 2
///
/// Pure function. Error `protocol` if it is anything else: a page that is not stub_status, or one cut short.
Expected<std::vector<prometheus::MetricFamily>> parseStubStatus(std::string_view text);

}  // namespace lapwing::agent::nginx
