#include "collector/api/parameters.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "common/config/reader.h"

namespace lapwing::api {
namespace {

// Far beyond any sample's time, and far from overflow in milliseconds: the year 287396.
constexpr double kMaxSeconds = 9e12;

int hexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Expected<std::string> decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] == '%') {
            const int high = i + 2 < text.size() ? hexDigit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hexDigit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return fail(ErrorKind::invalid,
                            "invalid URL escape \"" + std::string(text.substr(i, 3)) + "\"");
            }
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::optional<double> parseNumber(const std::string& text) {
    double value = 0;
    const char* begin = text.data();
    const char* end = begin + text.size();
    if (begin != end && *begin == '+') ++begin;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + at + count, value);
    if (error != std::errc() || stop != text.data() + at + count || value < 0) return std::nullopt;
    return value;
}

/// "2026-11-23T06:28:52[.fraction](Z|+hh:mm)"
std::optional<TimestampMs> parseRfc3339(std::string_view text) {
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    const auto second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' ||
        (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':' || *month < 1 ||
        *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    std::size_t at = 19;
    double fraction = 0;
    if (at < text.size() && text[at] == '.') {
        const std::size_t begin = at++;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        if (at == begin + 1 || at > begin + 20) return std::nullopt;
        fraction = parseNumber("0" + std::string(text.substr(begin, at - begin))).value_or(0);
    }
    std::int64_t offset = 0;
    if (at >= text.size()) return std::nullopt;
    if (text[at] == 'Z' || text[at] == 'z') {
        if (at + 1 != text.size()) return std::nullopt;
    } else {
        const auto hours = digits(text, at + 1, 2);
        const auto minutes = digits(text, at + 4, 2);
        if ((text[at] != '+' && text[at] != '-') || !hours || !minutes || text[at + 3] != ':' ||
            at + 6 != text.size()) {
            return std::nullopt;
        }
        offset = (*hours * 60 + *minutes) * 60LL * (text[at] == '-' ? -1 : 1);
    }
    std::tm time{};
    time.tm_year = *year - 1900;
    time.tm_mon = *month - 1;
    time.tm_mday = *day;
    time.tm_hour = *hour;
    time.tm_min = *minute;
    time.tm_sec = *second;
    return (timegm(&time) - offset) * 1000 + static_cast<std::int64_t>(fraction * 1000);
}

}  // namespace

Expected<Parameters> parseForm(std::string_view text) {
    Parameters out;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        auto name = decode(pair.substr(0, equals), true);
        if (!name) return tl::unexpected(name.error());
        auto value =
            decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
        if (!value) return tl::unexpected(value.error());
        out.emplace_back(std::move(*name), std::move(*value));
    }
    return out;
}

Expected<std::string> decodePath(std::string_view text) {
    return decode(text, false);
}

std::string first(const Parameters& parameters, std::string_view name) {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    return {};
}

std::vector<std::string> all(const Parameters& parameters, std::string_view name) {
    std::vector<std::string> out;
    for (const auto& [key, value] : parameters) {
        if (key == name) out.push_back(value);
    }
    return out;
}

Expected<TimestampMs> parseTime(const std::string& text) {
    if (const auto seconds = parseNumber(text)) {
        if (std::isfinite(*seconds) && std::abs(*seconds) <= kMaxSeconds)
            return std::llround(*seconds * 1000);
    } else if (const auto time = parseRfc3339(text)) {
        return *time;
    }
    return fail(ErrorKind::invalid, "cannot parse \"" + text + "\" to a valid timestamp");
}

Expected<std::int64_t> parseStep(const std::string& text) {
    if (const auto seconds = parseNumber(text)) {
        if (!std::isfinite(*seconds) || std::abs(*seconds) > kMaxSeconds) {
            return fail(ErrorKind::invalid,
                        "cannot parse \"" + text + "\" to a valid duration. It overflows int64");
        }
        return std::llround(*seconds * 1000);
    }
    if (auto duration = config::parseDuration(text)) return *duration;
    return fail(ErrorKind::invalid, "cannot parse \"" + text + "\" to a valid duration");
}

std::string formatTime(TimestampMs time) {
    auto seconds = static_cast<std::time_t>(time / 1000);
    auto rest = static_cast<int>(time % 1000);
    if (rest < 0) {
        rest += 1000;
        --seconds;
    }
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::string out(text.data(), size);
    if (rest != 0) {
        std::snprintf(text.data(), text.size(), ".%03d", rest);
        out += text.data();
    }
    return out + "Z";
}

}  // namespace lapwing::api
