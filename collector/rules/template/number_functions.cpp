#include <array>
#include <cmath>
#include <cstdint>

#include "collector/rules/template/functions.h"
#include "common/config/reader.h"

namespace lapwing::rules {
namespace {

std::string print(const char* format, double value) {
    return templatePrintf(format, {{value}}, 0);
}

/// Multiplies a number below 1 by 1000 until it is at least 1, as all of Prometheus' humanize functions do.
std::string humanizeSmall(double value, const std::string& unit) {
    std::string prefix;
    for (const char* p : {"m", "u", "n", "p", "f", "a", "z", "y"}) {
        if (std::abs(value) >= 1) {
            break;
        }
        prefix = p;
        value *= 1000;
    }
    return print("%.4g", value) + prefix + unit;
}

std::string humanize(double value) {
    if (value == 0 || !std::isfinite(value)) {
        return print("%.4g", value);
    }
    if (std::abs(value) < 1) {
        return humanizeSmall(value, "");
    }
    std::string prefix;
    for (const char* p : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
        if (std::abs(value) < 1000) {
            break;
        }
        prefix = p;
        value /= 1000;
    }
    return print("%.4g", value) + prefix;
}

std::string humanize1024(double value) {
    if (std::abs(value) <= 1 || !std::isfinite(value)) {
        return print("%.4g", value);
    }
    std::string prefix;
    for (const char* p : {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}) {
        if (std::abs(value) < 1024) {
            break;
        }
        prefix = p;
        value /= 1024;
    }
    return print("%.4g", value) + prefix;
}

std::string humanizeDuration(double value) {
    if (!std::isfinite(value)) {
        return print("%.4g", value);
    }
    if (value == 0) {
        return "0s";
    }
    if (std::abs(value) < 1) {
        return humanizeSmall(value, "s");
    }
    const std::string sign = value < 0 ? "-" : "";
    value = std::abs(value);
    if (value > 9e15) {
        return sign + print("%.4g", value) + "s";
    }
    const auto duration = static_cast<std::int64_t>(value);
    const auto part = [](std::int64_t number, const char* unit) { return std::to_string(number) + unit; };
    const std::string seconds = part(duration % 60, "s");
    const std::string minutes = part(duration / 60 % 60, "m ");
    const std::string hours = part(duration / 3600 % 24, "h ");
    if (duration >= 86'400) {
        return sign + part(duration / 86'400, "d ") + hours + minutes + seconds;
    }
    if (duration >= 3600) {
        return sign + hours + minutes + seconds;
    }
    if (duration >= 60) {
        return sign + minutes + seconds;
    }
    return sign + print("%.4g", value) + "s";
}

/// Cuts to whole milliseconds by way of whole nanoseconds, as Prometheus does.
Expected<TemplateTime> toTime(double value) {
    if (!std::isfinite(value)) {
        return fail(ErrorKind::execution, "is not a number or infinite");
    }
    if (std::abs(value) > 9.2e9) {
        return fail(ErrorKind::execution, "exceeds the range of times");
    }
    return TemplateTime{static_cast<std::int64_t>(value * 1e9) / 1'000'000};
}

std::string humanizePercentage(double value) {
    return print("%.4g", value * 100) + "%";
}

std::string humanizeTimestamp(double value) {
    const auto time = toTime(value);
    return time ? toString(*time) : print("%.4g", value);
}

/// Applies a function of one number.
template <auto Function>
TemplateResult ofNumber(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto number = arguments[0].toFloat();
    if (!number) {
        return fail(number.error());
    }
    return TemplateValue{Function(*number)};
}

TemplateResult toTimeValue(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto number = arguments[0].toFloat();
    if (!number) {
        return fail(number.error());
    }
    const auto time = toTime(*number);
    if (!time) {
        return fail(time.error());
    }
    return TemplateValue{*time};
}

/// Seconds.
TemplateResult parseDuration(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto text = textArgument(arguments[0]);
    if (!text) {
        return fail(text.error());
    }
    const auto duration = config::parseDuration(*text);
    if (!duration) {
        return fail(duration.error());
    }
    return TemplateValue{static_cast<double>(*duration) / 1000};
}

constexpr std::array kFunctions = {
    TemplateFunction{"humanize", 1, 1, ofNumber<humanize>},
    TemplateFunction{"humanize1024", 1, 1, ofNumber<humanize1024>},
    TemplateFunction{"humanizeDuration", 1, 1, ofNumber<humanizeDuration>},
    TemplateFunction{"humanizePercentage", 1, 1, ofNumber<humanizePercentage>},
    TemplateFunction{"humanizeTimestamp", 1, 1, ofNumber<humanizeTimestamp>},
    TemplateFunction{"parseDuration", 1, 1, parseDuration},
    TemplateFunction{"toTime", 1, 1, toTimeValue},
};

}  // namespace

std::span<const TemplateFunction> numberFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
