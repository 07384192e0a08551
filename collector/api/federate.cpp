#include "collector/api/federate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "collector/api/parameters.h"
#include "collector/limits/query_limits.h"
#include "collector/promql/engine.h"
#include "collector/storage/queryable.h"

namespace lapwing::api {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";

/// The newest sample of each series, by name and labels.
using Newest = std::map<std::pair<std::string, Labels>, Sample>;

Expected<Newest> findNewest(const storage::Queryable& data, const std::vector<storage::Matchers>& any,
                            TimestampMs from, TimestampMs to, std::size_t max_samples) {
    Newest out;
    for (const auto& matchers : any) {
        const auto found = data.select(matchers, from, to, max_samples);
        if (!found) {
            return fail(found.error());
        }
        for (const auto& series : *found) {
            QueryLimits::enforceMemory();
            // The format has no staleness markers.
            if (series.samples.empty() || isStaleNaN(series.samples.back().value)) {
                continue;
            }
            const std::string name(series.labels->metricName());
            if (!name.empty()) {
                out[{name, *series.labels}] = series.samples.back();
            }
        }
    }
    return out;
}

/// Go's escaping scheme "underscores".
std::string underscored(std::string_view name, bool metric) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xc0U) == 0x80) {
            continue;  // one underscore for each character
        }
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && metric);
        const bool digit = c >= '0' && c <= '9' && i > 0;
        out += letter || digit ? c : '_';
    }
    return out;
}

std::string inQuotes(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out + '"';
}

class Writer {
  public:
    Writer(std::ostream& out, bool utf8) : out_(out), utf8_(utf8) {}

    void sample(const std::string& name, const Labels& labels, const Sample& sample) {
        const bool plain = isValidMetricName(name);
        const std::string shown = plain ? name : utf8_ ? inQuotes(name) : underscored(name, true);
        if (name != last_) {
            out_ << "# TYPE " << shown << " untyped\n";
        }
        last_ = name;
        const bool outside = plain || !utf8_;
        if (outside) {
            out_ << shown;
        }
        char separator = '{';
        const auto put = [&](const std::string& text) {
            out_ << separator << text;
            separator = ',';
        };
        if (!outside) {
            put(shown);
        }
        for (const auto& label : labels) {
            if (label.name != "__name__") {
                put(labelName(label.name) + '=' + inQuotes(label.value));
            }
        }
        // As in Prometheus: a server that scrapes this must not add its own labels.
        if (!labels.has("instance")) {
            put("instance=\"\"");
        }
        out_ << "} " << formatExposition(sample.value) << ' ' << sample.timestamp << '\n';
    }

  private:
    std::string labelName(const std::string& name) const {
        if (isValidLabelName(name)) {
            return name;
        }
        return utf8_ ? inQuotes(name) : underscored(name, false);
    }

    std::ostream& out_;
    bool utf8_;
    std::string last_;
};

}  // namespace

std::string formatExposition(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    std::array<char, 400> buffer{};
    const auto print = [&](std::chars_format format) {
        const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
        return std::string(buffer.data(), end);
    };
    const std::string scientific = print(std::chars_format::scientific);
    int exponent = 0;
    const auto e = scientific.find('e');
    const char* digits = scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1);
    std::from_chars(digits, scientific.data() + scientific.size(), exponent);
    return exponent < -4 || exponent >= 6 ? scientific : print(std::chars_format::fixed);
}

void answerFederate(const storage::Queryable& data, TimestampMs now, std::int64_t lookback_ms,
                    std::size_t max_samples, Request& request, const Parameters& parameters,
                    Responder& responder) {
    std::vector<storage::Matchers> any;
    for (const auto& selector : all(parameters, "match[]")) {
        auto matchers = promql::parseSelector(selector);
        if (!matchers) {
            return responder.send(400, kPlain, matchers.error().message + "\n");
        }
        any.push_back(std::move(*matchers));
    }
    const auto newest = findNewest(data, any, now - lookback_ms, now, max_samples);
    if (!newest) {
        return responder.send(500, kPlain, newest.error().message + "\n");
    }
    const bool utf8 = request.header("Accept").find("escaping=allow-utf-8") != std::string::npos;
    auto& out = responder.stream(200, std::string("text/plain; version=0.0.4; charset=utf-8; escaping=") +
                                          (utf8 ? "allow-utf-8" : "underscores"));
    Writer writer(out, utf8);
    for (const auto& [key, sample] : *newest) {
        writer.sample(key.first, key.second, sample);
    }
}

}  // namespace lapwing::api
