#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "collector/promql/functions.h"
#include "collector/promql/named.h"

namespace lapwing::promql {
namespace {

double sign(double value) {
    if (value < 0) {
        return -1;
    }
    if (value > 0) {
        return 1;
    }
    return value;
}
double degrees(double value) {
    return value * 180 / std::numbers::pi;
}
double radians(double value) {
    return value * std::numbers::pi / 180;
}

constexpr std::int64_t kDaySeconds = 86'400;

/// Whole seconds since 1970. Values outside every calendar (NaN, more than some 10^11 s away) give NaN.
struct Moment {
    std::int64_t days = 0;
    std::int64_t second_of_day = 0;
    bool valid = false;

    explicit Moment(double seconds) {
        if (!(std::abs(seconds) < 9e11)) {
            return;
        }
        const auto whole = static_cast<std::int64_t>(seconds);
        days = whole / kDaySeconds;
        second_of_day = whole % kDaySeconds;
        if (second_of_day < 0) {
            second_of_day += kDaySeconds;
            --days;
        }
        valid = true;
    }
    std::chrono::year_month_day date() const { return std::chrono::sys_days(std::chrono::days(days)); }
};

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double minute(double seconds) {
    const Moment moment(seconds);
    return moment.valid ? std::floor(static_cast<double>(moment.second_of_day % 3600) / 60) : kNaN;
}
double hour(double seconds) {
    const Moment moment(seconds);
    return moment.valid ? std::floor(static_cast<double>(moment.second_of_day) / 3600) : kNaN;
}
double dayOfWeek(double seconds) {
    const Moment moment(seconds);
    if (!moment.valid) {
        return kNaN;
    }
    return std::chrono::weekday(std::chrono::sys_days(std::chrono::days(moment.days))).c_encoding();
}
double dayOfMonth(double seconds) {
    const Moment moment(seconds);
    return moment.valid ? static_cast<unsigned>(moment.date().day()) : kNaN;
}
double dayOfYear(double seconds) {
    const Moment moment(seconds);
    if (!moment.valid) {
        return kNaN;
    }
    const auto first = std::chrono::sys_days(moment.date().year() / std::chrono::January / 1);
    return static_cast<double>(moment.days - first.time_since_epoch().count() + 1);
}
double daysInMonth(double seconds) {
    const Moment moment(seconds);
    if (!moment.valid) {
        return kNaN;
    }
    const auto date = moment.date();
    return static_cast<unsigned>((date.year() / date.month() / std::chrono::last).day());
}
double month(double seconds) {
    const Moment moment(seconds);
    return moment.valid ? static_cast<unsigned>(moment.date().month()) : kNaN;
}
double year(double seconds) {
    const Moment moment(seconds);
    return moment.valid ? static_cast<int>(moment.date().year()) : kNaN;
}

using Element = double (*)(double);

constexpr std::array<Named<Element>, 23> kElementFunctions = {
    {{"abs", std::abs},     {"acos", std::acos}, {"acosh", std::acosh}, {"asin", std::asin},
     {"asinh", std::asinh}, {"atan", std::atan}, {"atanh", std::atanh}, {"ceil", std::ceil},
     {"cos", std::cos},     {"cosh", std::cosh}, {"deg", degrees},      {"exp", std::exp},
     {"floor", std::floor}, {"ln", std::log},    {"log10", std::log10}, {"log2", std::log2},
     {"rad", radians},      {"sgn", sign},       {"sin", std::sin},     {"sinh", std::sinh},
     {"sqrt", std::sqrt},   {"tan", std::tan},   {"tanh", std::tanh}}};

constexpr std::array<Named<Element>, 8> kCalendarFunctions = {{{"day_of_month", dayOfMonth},
                                                               {"day_of_week", dayOfWeek},
                                                               {"day_of_year", dayOfYear},
                                                               {"days_in_month", daysInMonth},
                                                               {"hour", hour},
                                                               {"minute", minute},
                                                               {"month", month},
                                                               {"year", year}}};

}  // namespace

Element findElementFunction(std::string_view name) {
    return findNamed(kElementFunctions, name);
}

Element findCalendarFunction(std::string_view name) {
    return findNamed(kCalendarFunctions, name);
}

}  // namespace lapwing::promql
