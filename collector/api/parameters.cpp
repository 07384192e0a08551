#include "collector/api/parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "collector/promql/engine.h"
#include "common/characters.h"
#include "common/config/reader.h"
#include "common/memory_budget.h"
#include "common/model/quote.h"

namespace lapwing::api {
namespace {

/// They are looked up with the catalog of series locked.
constexpr std::size_t kMostSelectors = 100;

// The year 287396: far beyond the time of any sample, and far from overflow in milliseconds.
constexpr double kMaxSeconds = 9e12;
constexpr double kMaxNanoseconds = 9.223372036854775807e18;
// Prometheus' texts for the bounds of time.
constexpr const char* kMinTimeText = "-292273086-05-16T16:47:06Z";
constexpr const char* kMaxTimeText = "292277025-08-18T07:12:54.999999999Z";

Expected<std::string> decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] == '%') {
            const int high = i + 2 < text.size() ? hexValue(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hexValue(text[i + 2]) : -1;
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
    if (begin != end && *begin == '+') {
        ++begin;
    }
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || stop != end) {
        return std::nullopt;
    }
    return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) {
        return std::nullopt;
    }
    int value = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + at + count, value);
    if (error != std::errc() || stop != text.data() + at + count || value < 0) {
        return std::nullopt;
    }
    return value;
}

int daysOf(int year, int month) {
    static constexpr std::array<int, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[static_cast<std::size_t>(month - 1)];
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
        text[10] != 'T' || text[13] != ':' || text[16] != ':' || *month < 1 || *month > 12 || *day < 1 ||
        *day > daysOf(*year, *month) || *hour > 23 || *minute > 59 || *second > 59) {
        return std::nullopt;
    }
    std::size_t at = 19;
    std::int64_t milliseconds = 0;
    if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
        const std::size_t begin = ++at;
        for (std::int64_t weight = 100; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
            milliseconds += weight * (text[at] - '0');
            weight /= 10;
        }
        if (at == begin) {
            return std::nullopt;
        }
    }
    std::int64_t offset = 0;
    if (at >= text.size()) {
        return std::nullopt;
    }
    if (text[at] == 'Z') {
        if (at + 1 != text.size()) {
            return std::nullopt;
        }
    } else {
        const auto hours = digits(text, at + 1, 2);
        const auto minutes = digits(text, at + 4, 2);
        // As Go, accepts 24 hours and 60 minutes too.
        if ((text[at] != '+' && text[at] != '-') || !hours || !minutes || text[at + 3] != ':' ||
            at + 6 != text.size() || *hours > 24 || *minutes > 60) {
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
    return (timegm(&time) - offset) * 1000 + milliseconds;
}

}  // namespace

namespace {

Form readPairs(std::string_view text) {
    Form out;
    const auto bad = [&out](const std::string& problem) {
        if (out.problem.empty()) {
            out.problem = problem;
        }
    };
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (pair.empty()) {
            continue;
        }
        if (pair.find(';') != std::string_view::npos) {
            bad("invalid semicolon separator in query");
            continue;
        }
        const auto equals = pair.find('=');
        auto name = decode(pair.substr(0, equals), true);
        auto value =
            decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
        if (!name || !value) {
            bad(name ? value.error().message : name.error().message);
            continue;
        }
        out.values.emplace_back(std::move(*name), std::move(*value));
    }
    return out;
}

}  // namespace

Form parseForm(std::string_view text) {
    auto form = readWithinBudget(text.size(), "reading the form",
                                 [text]() -> Expected<Form> { return readPairs(text); });
    if (!form) {
        return {{}, form.error().message};
    }
    return std::move(*form);
}

Expected<std::string> decodePath(std::string_view text) {
    return decode(text, false);
}

std::string first(const Parameters& parameters, std::string_view name) {
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

std::vector<std::string> all(const Parameters& parameters, std::string_view name) {
    std::vector<std::string> out;
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            out.push_back(value);
        }
    }
    return out;
}

Expected<TimestampMs> parseTime(const std::string& text) {
    if (const auto seconds = parseNumber(text)) {
        if (std::isfinite(*seconds) && std::abs(*seconds) <= kMaxSeconds) {
            return std::llround(*seconds * 1000);
        }
    } else if (const auto time = parseRfc3339(text)) {
        return *time;
    } else if (text == kMinTimeText || text == kMaxTimeText) {
        return text == kMinTimeText ? kMinTime : kMaxTime;
    }
    return fail(ErrorKind::invalid, "cannot parse " + quote(text) + " to a valid timestamp");
}

Expected<std::int64_t> parseDurationNs(const std::string& text) {
    if (const auto seconds = parseNumber(text)) {
        const double nanoseconds = *seconds * 1e9;
        // The comparison is false for NaN too.
        if (!(std::abs(nanoseconds) < kMaxNanoseconds)) {
            return fail(ErrorKind::invalid,
                        "cannot parse " + quote(text) + " to a valid duration. It overflows int64");
        }
        return static_cast<std::int64_t>(nanoseconds);
    }
    const auto duration = config::parseDuration(text);
    if (duration && *duration < static_cast<std::int64_t>(kMaxNanoseconds / 1e6)) {
        return *duration * 1'000'000;
    }
    return fail(ErrorKind::invalid, "cannot parse " + quote(text) + " to a valid duration");
}

Expected<int> parseInteger(const std::string& text, const char* function) {
    int value = 0;
    const char* begin = text.data();
    const char* end = begin + text.size();
    if (begin != end && *begin == '+' && begin + 1 != end && begin[1] != '-') {
        ++begin;
    }
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error == std::errc() && stop == end) {
        return value;
    }
    return fail(ErrorKind::invalid,
                std::string("strconv.") + function + ": parsing " + quote(text) + ": " +
                    (error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax"));
}

Error invalidParameter(const std::string& name, const std::string& why) {
    return {ErrorKind::invalid, "invalid parameter \"" + name + "\": " + why};
}

Expected<TimestampMs> timeParameter(const Parameters& parameters, const std::string& name,
                                    std::optional<TimestampMs> fallback) {
    const std::string value = first(parameters, name);
    if (value.empty() && fallback) {
        return *fallback;
    }
    auto time = parseTime(value);
    if (time) {
        return time;
    }
    const std::string prefix = fallback ? "invalid time value for '" + name + "': " : "";
    return fail(invalidParameter(name, prefix + time.error().message));
}

Expected<std::size_t> limitParameter(const Parameters& parameters) {
    const std::string value = first(parameters, "limit");
    if (value.empty()) {
        return 0;
    }
    const auto limit = parseInteger(value);
    if (!limit) {
        return fail(invalidParameter("limit", limit.error().message));
    }
    if (*limit < 0) {
        return fail(invalidParameter("limit", "limit must be non-negative"));
    }
    return static_cast<std::size_t>(*limit);
}

Expected<std::vector<storage::Matchers>> matchParameters(const Parameters& parameters) {
    std::vector<storage::Matchers> out;
    for (const auto& selector : all(parameters, "match[]")) {
        if (out.size() == kMostSelectors) {
            return fail(ErrorKind::invalid, "more than 100 match[] parameters");
        }
        auto matchers = promql::parseSelector(selector);
        if (!matchers) {
            return fail(matchers.error());
        }
        out.push_back(std::move(*matchers));
    }
    for (const auto& matchers : out) {
        const bool names_something = std::any_of(matchers.begin(), matchers.end(),
                                                 [](const auto& matcher) { return !matcher.matches(""); });
        if (!names_something) {
            return fail(ErrorKind::invalid, "match[] must contain at least one non-empty matcher");
        }
    }
    return out;
}

}  // namespace lapwing::api
