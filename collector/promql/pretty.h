#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::promql {

/// Formats a query as Prometheus' /api/v1/format_query does: in canonical form, with parts longer than a
/// hundred characters split over several lines. Error `invalid` if it does not parse.
Expected<std::string> pretty(std::string_view query);

}  // namespace lapwing::promql
