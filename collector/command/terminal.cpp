#include "collector/command/terminal.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "collector/api/parameters.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

std::string lengthText(std::int64_t ms) {
    constexpr std::int64_t minute = 60'000;
    constexpr std::int64_t hour = 60 * minute;
    constexpr std::int64_t day = 24 * hour;
    if (ms >= 2 * day) {
        return fmt::format("{} d", ms / day);
    }
    if (ms >= 2 * hour) {
        return fmt::format("{} h", ms / hour);
    }
    return ms >= minute ? fmt::format("{} min", ms / minute) : fmt::format("{} s", ms / 1000);
}

bool hasColours() {
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
           terminal != nullptr && std::string_view(terminal) != "dumb";
}

/// "" for a severity without a colour.
const char* codeOf(std::string_view severity) {
    if (severity == "critical" || severity == "high") {
        return "\033[31m";
    }
    return severity == "medium" || severity == "warning" ? "\033[33m" : "";
}

}  // namespace

std::string whenText(const std::string& time, TimestampMs now) {
    const auto at = api::parseTime(time);
    if (time.empty() || !at) {
        return printable(time);
    }
    constexpr std::size_t without_seconds = 16;  // "2026-11-23 06:28"
    const auto text = dateAndTime(*at).substr(0, without_seconds) + " UTC";
    return *at <= now ? fmt::format("{} ({} ago)", text, lengthText(now - *at))
                      : fmt::format("{} (in {})", text, lengthText(*at - now));
}

std::string coloured(const std::string& text, const std::string& severity) {
    const std::string code = codeOf(severity);
    return code.empty() || !hasColours() ? text : code + text + "\033[0m";
}

}  // namespace lapwing::collector
