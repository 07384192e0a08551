#include "tests/bench/replay/capture.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

namespace lapwing::bench {
namespace {

/// More digits than this do not survive as a sum of whole numbers that a double holds exactly.
constexpr int kMostDecimals = 9;
constexpr double kExactLimit = 9e15;

/// Digits after the point in plain notation, -1 with an exponent (Go's, from 1e+21 on and for small numbers).
int decimalsOf(const std::string& text) {
    if (text.find_first_not_of("-.0123456789") != std::string::npos) return -1;
    const auto point = text.find('.');
    return point == std::string::npos ? 0 : static_cast<int>(text.size() - point - 1);
}

/// "1.234567e+06" as exporters print larger numbers: the digits after the point once it is written out.
int decimalsOfScientific(const std::string& text) {
    const auto mark = text.find('e');
    if (mark == std::string::npos) return decimalsOf(text);
    int exponent = 0;
    const char* begin = text.data() + mark + (text[mark + 1] == '+' ? 2 : 1);
    if (std::from_chars(begin, text.data() + text.size(), exponent).ec != std::errc()) return -1;
    const int digits = decimalsOf(text.substr(0, mark));
    return digits < 0 ? -1 : std::max(0, digits - exponent);
}

Expected<CapturedSeries> readSeries(const rapidjson::Value& json) {
    CapturedSeries series;
    std::vector<Label> labels;
    for (const auto& label : json["labels"].GetObject()) {
        labels.push_back({label.name.GetString(), label.value.GetString()});
    }
    series.labels = Labels(std::move(labels));
    series.decimals = 0;
    for (const auto& value : json["values"].GetArray()) {
        const std::string text = value.GetString();
        double number = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
        if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !std::isfinite(number)) {
            return fail(ErrorKind::invalid, "\"" + text + "\" is not a finite number");
        }
        series.values.push_back(number);
        const int decimals = decimalsOfScientific(text);
        if (decimals < 0 || series.decimals < 0) {
            series.decimals = -1;
        } else {
            series.decimals = std::max(series.decimals, decimals);
        }
    }
    const auto& values = series.values;
    if (values.size() < 2) return fail(ErrorKind::invalid, "a series with fewer than two values");
    const auto changed = std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>());
    if (changed == values.end()) {
        series.course = Course::constant;
    } else if (json["counter"].GetBool() && std::is_sorted(values.begin(), values.end())) {
        series.course = Course::counter;
    } else {
        series.course = Course::gauge;
    }
    const double scale = series.decimals < 0 ? 0 : std::pow(10.0, series.decimals);
    const bool exact = std::all_of(values.begin(), values.end(),
                                   [&](double value) { return std::abs(value) * scale < kExactLimit; });
    if (series.decimals > kMostDecimals || !exact) series.decimals = -1;
    if (series.decimals >= 0) {
        for (const double value : values) series.scaled.push_back(std::llround(value * scale));
    }
    return series;
}

}  // namespace

Expected<Capture> loadCapture(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name + ".json";
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(ErrorKind::not_found, path + ": cannot be opened");
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    rapidjson::Document json;
    json.Parse(text.data(), text.size());
    if (json.HasParseError()) return fail(ErrorKind::invalid, path + ": not JSON");
    Capture capture;
    capture.name = name;
    for (const auto& late : json["jitter_ms"].GetArray()) capture.jitter_ms.push_back(late.GetInt64());
    for (const auto& one : json["series"].GetArray()) {
        auto series = readSeries(one);
        if (!series) return fail(series.error().kind, path + ": " + series.error().message);
        if (series->values.size() != capture.scrapes()) {
            return fail(ErrorKind::invalid,
                        path + ": " + series->labels.toString() + " has not one value a scrape");
        }
        capture.series.push_back(std::move(*series));
    }
    if (capture.series.empty()) return fail(ErrorKind::invalid, path + ": no series");
    return capture;
}

}  // namespace lapwing::bench
