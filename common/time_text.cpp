#include "common/time_text.h"

#include <fmt/chrono.h>

#include <ctime>

namespace lapwing {

namespace {

/// Cuts a time into seconds and milliseconds, the milliseconds from 0 to 999 before 1970 too.
struct Instant {
    explicit Instant(std::int64_t time)
        : milliseconds((time % 1000 + 1000) % 1000), seconds((time - milliseconds) / 1000) {}

    std::int64_t milliseconds;
    std::time_t seconds;
};

}  // namespace

std::string rfc3339(std::int64_t ms) {
    const Instant instant(ms);
    if (instant.milliseconds != 0) {
        return rfc3339Milliseconds(ms);
    }
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", fmt::gmtime(instant.seconds));
}

std::string rfc3339Milliseconds(std::int64_t ms) {
    const Instant instant(ms);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(instant.seconds), instant.milliseconds);
}

std::string dateAndTime(std::int64_t ms) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(Instant(ms).seconds));
}

std::optional<std::int64_t> parseDay(std::string_view text) {
    constexpr std::size_t length = 10;  // "2027-06-01"
    std::tm day{};
    const std::string copy(text);
    const char* end = copy.size() == length ? ::strptime(copy.c_str(), "%Y-%m-%d", &day) : nullptr;
    const auto ms = end == nullptr || *end != '\0' ? std::int64_t{-1} : std::int64_t{::timegm(&day)} * 1000;
    // timegm() takes February 30.
    return ms >= 0 && rfc3339(ms).starts_with(copy) ? std::optional(ms) : std::nullopt;
}

std::string clockDifferenceText(std::int64_t ahead_ms) {
    const char* side = ahead_ms < 0 ? "behind" : "ahead";
    const std::int64_t seconds = std::abs(ahead_ms) / 1000;
    constexpr std::int64_t minute = 60;
    constexpr std::int64_t hour = 3600;
    constexpr std::int64_t day = 86'400;
    if (seconds >= day) {
        return fmt::format("{} d {} h {}", seconds / day, seconds % day / hour, side);
    }
    if (seconds >= hour) {
        return fmt::format("{} h {} min {}", seconds / hour, seconds % hour / minute, side);
    }
    if (seconds >= minute) {
        return fmt::format("{} min {} s {}", seconds / minute, seconds % minute, side);
    }
    return fmt::format("{} s {}", seconds, side);
}

}  // namespace lapwing
