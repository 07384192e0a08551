// promql-eval: evaluates queries over series of a text file, or writes the series as a remote_write body.
//
//   promql-eval eval COMPAT DATA QUERIES     one JSON answer a line on standard output
//   promql-eval encode DATA FILE             the body that a remote_write receiver takes
//   promql-eval canonical QUERY              parses and prints again
//
// DATA: a line `series SELECTOR`, then a line `TIMESTAMP_MS VALUE` for each of its samples (NaN, +Inf, -Inf,
// stale). QUERIES, separated by tabs: `instant TIME_MS QUERY`, `range START_MS END_MS STEP_MS QUERY` or
// `format QUERY`, where a vertical tab stands for a line break.

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>

#include "collector/promql/engine.h"
#include "collector/promql/numbers.h"
#include "common/model/remote_write.h"
#include "tests/unit/promql/memory.h"

namespace lapwing::promql {
namespace {

std::optional<double> value(const std::string& text) {
    if (text == "stale") return staleNaN();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    return parseBound(text);
}

Expected<std::vector<TimeSeries>> load(const std::string& path) {
    std::ifstream in(path);
    if (!in) return fail(ErrorKind::not_found, path + ": cannot be read");
    std::vector<TimeSeries> out;
    std::string line;
    while (std::getline(in, line)) {
        if (line.rfind("series ", 0) == 0) {
            const auto matchers = parseSelector(line.substr(7));
            if (!matchers) return tl::unexpected<Error>(matchers.error());
            TimeSeries series;
            for (const auto& matcher : *matchers) series.labels.set(matcher.name(), matcher.value());
            out.push_back(std::move(series));
            continue;
        }
        std::istringstream words(line);
        TimestampMs at = 0;
        std::string text;
        if (!(words >> at >> text) || out.empty() || !value(text)) {
            return fail(ErrorKind::invalid, std::string(path).append(": not a sample: ").append(line));
        }
        out.back().samples.push_back({at, *value(text)});
    }
    return out;
}

std::string json(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            static constexpr char hex[] = "0123456789abcdef";
            out += "\\u00";
            out += hex[static_cast<unsigned char>(c) >> 4];
            out += hex[static_cast<unsigned char>(c) & 15];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string json(const Sample& sample) {
    return "[" + formatNumber(static_cast<double>(sample.timestamp) / 1000) + "," +
           json(formatNumber(sample.value)) + "]";
}

std::string json(const Labels& labels) {
    std::string out = "{";
    for (const auto& label : labels) {
        if (out.size() > 1) out += ',';
        out += json(label.name) + ":" + json(label.value);
    }
    return out + "}";
}

std::string json(const std::vector<std::string>& texts) {
    std::string out;
    for (const auto& text : texts) out += (out.empty() ? "" : ",") + json(text);
    return "[" + out + "]";
}

std::string valueJson(const Result& result) {
    std::string out;
    if (const auto* scalar = std::get_if<Scalar>(&result.value)) {
        return R"("resultType":"scalar","result":)" + json(Sample{scalar->timestamp, scalar->value});
    }
    if (const auto* text = std::get_if<String>(&result.value)) {
        return R"("resultType":"string","result":[0,)" + json(text->value) + "]";
    }
    if (const auto* vector = std::get_if<Vector>(&result.value)) {
        for (const auto& one : *vector) {
            if (!out.empty()) out += ',';
            out += R"({"metric":)" + json(one.labels) + R"(,"value":)" + json(one.sample) + "}";
        }
        return R"("resultType":"vector","result":[)" + out + "]";
    }
    for (const auto& one : std::get<Matrix>(result.value)) {
        if (!out.empty()) out += ',';
        out += R"({"metric":)" + json(one.labels) + R"(,"values":[)";
        for (std::size_t i = 0; i < one.samples.size(); ++i) out += (i > 0 ? "," : "") + json(one.samples[i]);
        out += "]}";
    }
    return R"("resultType":"matrix","result":[)" + out + "]";
}

std::string json(const Result& result) {
    return "{" + valueJson(result) + R"(,"warnings":)" + json(result.warnings) + R"(,"infos":)" +
           json(result.infos) + "}";
}

std::vector<std::string> fields(const std::string& line, std::size_t count) {
    std::vector<std::string> out;
    std::size_t start = 0;
    while (out.size() + 1 < count) {
        const auto tab = line.find('\t', start);
        if (tab == std::string::npos) break;
        out.push_back(line.substr(start, tab - start));
        start = tab + 1;
    }
    out.push_back(line.substr(start));
    return out;
}

Expected<Result> answer(const Engine& engine, const std::string& line) {
    const bool instant = line.rfind("instant\t", 0) == 0;
    const auto parts = fields(line, instant ? 3 : 5);
    if (parts.size() != (instant ? 3U : 5U)) return fail(ErrorKind::invalid, "not a query line: " + line);
    if (instant) return engine.instant(parts[2], std::stoll(parts[1]));
    return engine.range(parts[4], std::stoll(parts[1]), std::stoll(parts[2]), std::stoll(parts[3]));
}

int evaluate(int compat, const std::string& data, const std::string& queries) {
    auto series = load(data);
    if (!series) {
        std::cerr << series.error().message << "\n";
        return 2;
    }
    const Memory memory(std::move(*series));
    EngineOptions options;
    options.compat = compat;
    const Engine engine(memory, options);
    std::ifstream in(queries);
    std::string line;
    while (std::getline(in, line)) {
        std::replace(line.begin(), line.end(), '\v', '\n');
        if (line.rfind("format\t", 0) == 0) {
            const auto text = canonical(line.substr(7));
            std::cout << R"({"formatted":)" << (text ? json(*text) : "null") << "}\n";
            continue;
        }
        const auto result = answer(engine, line);
        if (result) {
            std::cout << json(*result) << "\n";
        } else {
            std::cout << R"({"errorType":)" << json(errorKindName(result.error().kind)) << R"(,"error":)"
                      << json(result.error().message) << "}\n";
        }
    }
    return 0;
}

int encode(const std::string& data, const std::string& path) {
    const auto series = load(data);
    if (!series) {
        std::cerr << series.error().message << "\n";
        return 2;
    }
    std::ofstream out(path, std::ios::binary);
    out << encodeRemoteWrite(*series);
    out.close();
    return out ? 0 : 1;
}

int run(const std::vector<std::string>& arguments) {
    if (arguments.size() == 4 && arguments[0] == "eval") {
        return evaluate(arguments[1] == "2" ? 2 : 3, arguments[2], arguments[3]);
    }
    if (arguments.size() == 3 && arguments[0] == "encode") return encode(arguments[1], arguments[2]);
    if (arguments.size() == 2 && arguments[0] == "canonical") {
        const auto text = canonical(arguments[1]);
        std::cout << (text ? *text : text.error().message) << "\n";
        return text ? 0 : 1;
    }
    std::cerr << "usage: promql-eval eval COMPAT DATA QUERIES | encode DATA FILE | canonical QUERY\n";
    return 2;
}

}  // namespace
}  // namespace lapwing::promql

int main(int argc, char** argv) {
    return lapwing::promql::run({argv + 1, argv + argc});
}
