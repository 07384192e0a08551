#pragma once

#include <limits>
#include <string>

#include "collector/promql/engine.h"
#include "collector/promql/numbers.h"
#include "tests/unit/promql/memory.h"

namespace lapwing::promql {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A result as text: `{a="1"} 2` a line for an instant, `{a="1"} 2@15 3@30` (seconds) for a range; errors as
/// their kind and message.
inline std::string show(const Expected<Result>& result) {
    if (!result) {
        return std::string(errorKindName(result.error().kind)) + ": " + result.error().message;
    }
    if (const auto* scalar = std::get_if<Scalar>(&result->value)) {
        return formatNumber(scalar->value);
    }
    if (const auto* text = std::get_if<String>(&result->value)) {
        return text->value;
    }
    std::string out;
    if (const auto* vector = std::get_if<Vector>(&result->value)) {
        for (const auto& element : *vector) {
            out += element.labels.toString() + " " + formatNumber(element.sample.value) + "\n";
        }
        return out;
    }
    for (const auto& series : std::get<Matrix>(result->value)) {
        out += series.labels.toString();
        for (const auto& sample : series.samples) {
            out += " " + formatNumber(sample.value) + "@" +
                   formatNumber(static_cast<double>(sample.timestamp) / 1000);
        }
        out += "\n";
    }
    return out;
}

/// Values at every `step` seconds from 0 on.
inline std::vector<Sample> every(int step, std::initializer_list<double> values) {
    std::vector<Sample> out;
    for (const double value : values) {
        out.push_back({static_cast<TimestampMs>(out.size()) * step * 1000, value});
    }
    return out;
}

inline EngineOptions compat(int version) {
    EngineOptions options;
    options.compat = version;
    return options;
}

}  // namespace lapwing::promql
