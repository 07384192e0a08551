#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Times as text, in UTC. All take milliseconds (times: since 1970) and are pure and thread-safe.
namespace lapwing {

/// RFC 3339: "2026-11-23T06:28:52.123Z"; a fraction of zero is left out.
std::string rfc3339(std::int64_t ms);
/// The same, always with three decimals.
std::string rfc3339Milliseconds(std::int64_t ms);
/// "2026-11-23 06:28:52"; the milliseconds are cut off.
std::string dateAndTime(std::int64_t ms);
/// The begin of a day, "2027-06-01"; nothing for any other text.
std::optional<std::int64_t> parseDay(std::string_view text);
/// A difference of clocks: "3 h 0 min ahead", "12 s behind".
std::string clockDifferenceText(std::int64_t ahead_ms);

}  // namespace lapwing
