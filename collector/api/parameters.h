#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/storage/queryable.h"
#include "common/model/sample.h"

namespace lapwing::api {

/// The pairs of a form. Malformed pairs are left out, as in Go.
struct Form {
    Parameters values;
    std::string problem;  ///< the problem of the first malformed pair; "" without any
};

/// `a=1&b=x%20y`, '+' for a space, as browsers and Go write forms.
Form parseForm(std::string_view text);
/// Percent-decoding of a path's part ('+' stays).
Expected<std::string> decodePath(std::string_view text);

/// The first value of that name, or "".
std::string first(const Parameters& parameters, std::string_view name);
std::vector<std::string> all(const Parameters& parameters, std::string_view name);

/// Seconds since 1970 with a fraction, or RFC 3339; in milliseconds. Errors are worded as Prometheus words
/// them.
Expected<TimestampMs> parseTime(const std::string& text);
/// Seconds with a fraction, or a duration such as `1m30s`; in nanoseconds, as Prometheus compares and
/// divides them.
Expected<std::int64_t> parseDurationNs(const std::string& text);

/// The values of "no start" and "no end": they include every time that a sample can have, and leave room to
/// add ranges without overflow.
inline constexpr TimestampMs kMinTime = -8'640'000'000'000'000;
inline constexpr TimestampMs kMaxTime = 8'640'000'000'000'000;

/// The parameters of several endpoints. Errors are `invalid`, worded as Prometheus words them.
Expected<TimestampMs> timeParameter(const Parameters& parameters, const std::string& name,
                                    std::optional<TimestampMs> fallback);
/// `limit`; 0: no limit.
Expected<std::size_t> limitParameter(const Parameters& parameters);
/// `match[]`: each selector must exclude at least the empty label set.
Expected<std::vector<storage::Matchers>> matchParameters(const Parameters& parameters);
/// 'invalid parameter "NAME": WHY'
Error invalidParameter(const std::string& name, const std::string& why);
/// Go's strconv.Atoi, with its own errors.
Expected<int> parseInteger(const std::string& text, const char* function = "Atoi");

}  // namespace lapwing::api
