#include "collector/analysis/duration.h"

#include <array>
#include <charconv>

namespace lapwing::analysis {

namespace {

std::string rounded(double value, int digits, const char* unit) {
    std::array<char, 400> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
    return std::string(text.data(), end.ptr) + unit;
}

}  // namespace

double secondsBetween(TimestampMs from, TimestampMs to) {
    constexpr double ms_per_second = 1000;
    return static_cast<double>(to - from) / ms_per_second;
}

std::string durationText(double seconds) {
    constexpr double minute = 60;
    constexpr double hour = 3600;
    if (seconds < 10) {
        return rounded(seconds, 1, " s");
    }
    if (seconds < 2 * minute) {
        return rounded(seconds, 0, " s");
    }
    return seconds < 2 * hour ? rounded(seconds / minute, 0, " min") : rounded(seconds / hour, 0, " h");
}

}  // namespace lapwing::analysis
