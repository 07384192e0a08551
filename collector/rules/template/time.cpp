#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "collector/rules/template/value.h"

namespace lapwing::rules {
namespace {

constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                 "May",       "June",     "July",     "August",
                                                 "September", "October",  "November", "December"};
constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};

struct Parts {
    std::tm date{};
    int ms = 0;
};

Parts partsOf(TemplateTime time) {
    Parts out;
    out.ms = static_cast<int>((time.ms % 1000 + 1000) % 1000);
    const std::time_t seconds = (time.ms - out.ms) / 1000;
    ::gmtime_r(&seconds, &out.date);
    return out;
}

std::string padded(int number, int width, char filling = '0') {
    std::string out = std::to_string(number);
    while (static_cast<int>(out.size()) < width) {
        out.insert(out.begin(), filling);
    }
    return out;
}

/// A fraction of `digits` digits; `cut` removes the zeros at its end, so that 0 gives "".
std::string fraction(int ms, std::size_t digits, bool cut) {
    std::string out = padded(ms, 3) + "000000";
    out.resize(digits);
    if (cut) {
        out.erase(out.find_last_not_of('0') + 1);
    }
    return out;
}

int hour12(int hour) {
    return hour % 12 == 0 ? 12 : hour % 12;
}

/// The elements of Go's reference time, "Mon Jan 2 15:04:05 MST 2006". Of two elements with the same
/// beginning, the longer comes first.
std::string element(std::string_view name, const Parts& parts) {
    const auto& date = parts.date;
    const std::string_view month = kMonths[static_cast<std::size_t>(date.tm_mon)];
    const std::string_view day = kDays[static_cast<std::size_t>(date.tm_wday)];
    if (name == "January") {
        return std::string(month);
    }
    if (name == "Jan") {
        return std::string(month.substr(0, 3));
    }
    if (name == "Monday") {
        return std::string(day);
    }
    if (name == "Mon") {
        return std::string(day.substr(0, 3));
    }
    if (name == "MST") {
        return "UTC";
    }
    if (name == "2006") {
        return padded(date.tm_year + 1900, 4);
    }
    if (name == "06") {
        return padded(date.tm_year % 100, 2);
    }
    if (name == "002") {
        return padded(date.tm_yday + 1, 3);
    }
    if (name == "01") {
        return padded(date.tm_mon + 1, 2);
    }
    if (name == "1") {
        return std::to_string(date.tm_mon + 1);
    }
    if (name == "02") {
        return padded(date.tm_mday, 2);
    }
    if (name == "_2") {
        return padded(date.tm_mday, 2, ' ');
    }
    if (name == "2") {
        return std::to_string(date.tm_mday);
    }
    if (name == "15") {
        return padded(date.tm_hour, 2);
    }
    if (name == "03") {
        return padded(hour12(date.tm_hour), 2);
    }
    if (name == "3") {
        return std::to_string(hour12(date.tm_hour));
    }
    if (name == "04") {
        return padded(date.tm_min, 2);
    }
    if (name == "4") {
        return std::to_string(date.tm_min);
    }
    if (name == "05") {
        return padded(date.tm_sec, 2);
    }
    if (name == "5") {
        return std::to_string(date.tm_sec);
    }
    if (name == "PM") {
        return date.tm_hour < 12 ? "AM" : "PM";
    }
    if (name == "pm") {
        return date.tm_hour < 12 ? "am" : "pm";
    }
    if (name.front() == 'Z') {
        return "Z";
    }
    if (name == "-07:00") {
        return "+00:00";
    }
    return name == "-07" ? "+00" : "+0000";
}

constexpr std::array<std::string_view, 26> kElements = {
    "January", "Jan", "Monday", "Mon", "MST", "2006", "002", "06", "01", "02",     "03",     "04",    "05",
    "_2",      "15",  "1",      "2",   "3",   "4",    "5",   "PM", "pm", "Z07:00", "-07:00", "-0700", "-07"};

}  // namespace

std::string formatGoTime(TemplateTime time, std::string_view layout) {
    const Parts parts = partsOf(time);
    std::string out;
    while (!layout.empty()) {
        const bool point = layout.size() > 1 && (layout[0] == '.' || layout[0] == ',');
        if (point && (layout[1] == '0' || layout[1] == '9')) {
            auto end = layout.find_first_not_of(layout[1], 1);
            if (end == std::string_view::npos) {
                end = layout.size();
            }
            const bool digit_follows = end < layout.size() && layout[end] >= '0' && layout[end] <= '9';
            if (!digit_follows && end <= 10) {
                const auto digits = fraction(parts.ms, end - 1, layout[1] == '9');
                if (!digits.empty()) {
                    out += layout[0] + digits;
                }
                layout.remove_prefix(end);
                continue;
            }
        }
        bool found = false;
        for (const auto name : kElements) {
            if (!layout.starts_with(name)) {
                continue;
            }
            out += element(name, parts);
            layout.remove_prefix(name.size());
            found = true;
            break;
        }
        if (found) {
            continue;
        }
        out += layout.front();
        layout.remove_prefix(1);
    }
    return out;
}

std::string toString(TemplateTime time) {
    return formatGoTime(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

std::optional<TemplateValue> timeMethod(TemplateTime time, const std::string& name) {
    const auto date = partsOf(time).date;
    const auto number = [](std::int64_t value) { return TemplateValue{value}; };
    if (name == "Year") {
        return number(date.tm_year + 1900);
    }
    if (name == "Month") {
        return TemplateValue{std::string(kMonths[static_cast<std::size_t>(date.tm_mon)])};
    }
    if (name == "Day") {
        return number(date.tm_mday);
    }
    if (name == "Weekday") {
        return TemplateValue{std::string(kDays[static_cast<std::size_t>(date.tm_wday)])};
    }
    if (name == "Hour") {
        return number(date.tm_hour);
    }
    if (name == "Minute") {
        return number(date.tm_min);
    }
    if (name == "Second") {
        return number(date.tm_sec);
    }
    if (name == "YearDay") {
        return number(date.tm_yday + 1);
    }
    if (name == "Unix") {
        return number((time.ms - partsOf(time).ms) / 1000);
    }
    if (name == "UnixMilli") {
        return number(time.ms);
    }
    if (name == "String") {
        return TemplateValue{toString(time)};
    }
    return std::nullopt;
}

}  // namespace lapwing::rules
