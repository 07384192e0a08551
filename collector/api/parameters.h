#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/api/exchange.h"
#include "common/model/sample.h"

namespace lapwing::api {

/// `a=1&b=x%20y`, '+' for a space, as browsers and Go write forms. Error `invalid` for a broken escape.
Expected<Parameters> parseForm(std::string_view text);
/// Percent-decoding of a path's part ('+' stays).
Expected<std::string> decodePath(std::string_view text);

/// The first of that name, or "".
std::string first(const Parameters& parameters, std::string_view name);
std::vector<std::string> all(const Parameters& parameters, std::string_view name);

/// Seconds since 1970 with a fraction, or RFC 3339; milliseconds. The errors are worded as Prometheus'.
Expected<TimestampMs> parseTime(const std::string& text);
/// Seconds with a fraction, or a duration as `1m30s`; milliseconds.
Expected<std::int64_t> parseStep(const std::string& text);

/// "2026-11-23T06:28:52.123Z"
std::string formatTime(TimestampMs time);

}  // namespace lapwing::api
