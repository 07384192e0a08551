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

/// What a form holds. Pairs that cannot be read are left out, as Go's forms leave them out.
struct Form {
    Parameters values;
    std::string problem;  ///< what is wrong with the first of those; "" if nothing is
};

/// `a=1&b=x%20y`, '+' for a space, as browsers and Go write forms.
Form parseForm(std::string_view text);
/// Percent-decoding of a path's part ('+' stays).
Expected<std::string> decodePath(std::string_view text);

/// The first of that name, or "".
std::string first(const Parameters& parameters, std::string_view name);
std::vector<std::string> all(const Parameters& parameters, std::string_view name);

/// Seconds since 1970 with a fraction, or RFC 3339; milliseconds. The errors are worded as Prometheus'.
Expected<TimestampMs> parseTime(const std::string& text);
/// Seconds with a fraction, or a duration as `1m30s`; nanoseconds, as Prometheus compares and divides them.
Expected<std::int64_t> parseDurationNs(const std::string& text);

/// What "no start" and "no end" mean: every time that a sample can have, without overflow when something is
/// added.
inline constexpr TimestampMs kMinTime = -8'640'000'000'000'000;
inline constexpr TimestampMs kMaxTime = 8'640'000'000'000'000;

/// The parameters that several endpoints take. Errors are `invalid`, worded as Prometheus words them.
Expected<TimestampMs> timeParameter(const Parameters& parameters, const std::string& name,
                                    std::optional<TimestampMs> fallback);
/// `limit`; 0: none.
Expected<std::size_t> limitParameter(const Parameters& parameters);
/// `match[]`: each names at least one series.
Expected<std::vector<storage::Matchers>> matchParameters(const Parameters& parameters);
/// 'invalid parameter "NAME": WHY'
Error invalidParameter(const std::string& name, const std::string& why);
/// As Go's strconv.Atoi: the error is its own.
Expected<int> parseInteger(const std::string& text, const char* function = "Atoi");

/// "2026-11-23T06:28:52.123Z"
std::string formatTime(TimestampMs time);

}  // namespace lapwing::api
