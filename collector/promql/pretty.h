#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::promql {

/// The query as Prometheus' /api/v1/format_query lays it out: in canonical form, and what is longer than a
/// hundred characters over several lines. Error `invalid` if it does not parse.
Expected<std::string> pretty(std::string_view query);

}  // namespace lapwing::promql
