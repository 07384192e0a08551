#include "collector/api/discovery.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/storage/queryable.h"
#include "common/text.h"

namespace lapwing::api {
namespace {

struct Scope {
    std::vector<storage::Matchers> any;
    TimestampMs from = kMinTime;
    TimestampMs to = kMaxTime;
    std::size_t limit = 0;

    /// The range of times is empty. As in Prometheus, this is not an error.
    bool empty() const { return to < from; }
};

/// Checks the parameters in Prometheus' order, and reports the first wrong one.
Expected<Scope> readScope(const Parameters& parameters) {
    const auto limit = limitParameter(parameters);
    if (!limit) {
        return fail(limit.error());
    }
    const auto from = timeParameter(parameters, "start", kMinTime);
    if (!from) {
        return fail(from.error());
    }
    const auto to = timeParameter(parameters, "end", kMaxTime);
    if (!to) {
        return fail(to.error());
    }
    return Scope{{}, *from, *to, *limit};
}

/// Cuts the list to the limit, and returns a warning if it did.
template <class T>
std::vector<std::string> truncate(std::vector<T>& items, std::size_t limit) {
    if (limit == 0 || items.size() <= limit) {
        return {};
    }
    items.resize(limit);
    return {"results truncated due to limit"};
}

void answerTexts(Expected<std::vector<std::string>> texts, std::size_t limit, Responder& responder) {
    if (!texts) {
        return failure(responder, texts.error());
    }
    const auto warnings = truncate(*texts, limit);
    success(
        responder,
        [&](JsonWriter& json) {
            json.StartArray();
            for (const auto& each : *texts) {
                text(json, each);
            }
            json.EndArray();
        },
        warnings);
}

/// Prints a name that is not UTF-8: "\xff".
std::string quoteBytes(const std::string& name) {
    std::string out = "\"";
    for (const unsigned char c : name) {
        std::array<char, 8> escaped{};
        std::snprintf(escaped.data(), escaped.size(), "\\x%02x", c);
        out += c < 0x80 ? std::string(1, static_cast<char>(c)) : escaped.data();
    }
    return out + '"';
}

}  // namespace

std::string unescapeName(const std::string& name) {
    if (!name.starts_with("U__")) {
        return name;
    }
    std::string out;
    for (std::size_t i = 3; i < name.size(); ++i) {
        if (name[i] != '_') {
            out += name[i];
            continue;
        }
        const auto end = name.find('_', i + 1);
        if (end == i + 1) {
            out += '_';
            i = end;
            continue;
        }
        std::uint32_t code = 0;
        if (end == std::string::npos || end - i > 7) {
            return name;
        }
        const auto [stop, error] = std::from_chars(name.data() + i + 1, name.data() + end, code, 16);
        const bool surrogate = code >= 0xd800 && code < 0xe000;
        if (error != std::errc() || stop != name.data() + end || code > 0x10ffff || surrogate) {
            return name;
        }
        appendUtf8(out, code);
        i = end;
    }
    return out;
}

void answerSeries(const storage::Queryable& data, const Parameters& parameters, Responder& responder) {
    if (all(parameters, "match[]").empty()) {
        return failure(responder, 400, "bad_data", "no match[] parameter provided");
    }
    auto scope = readScope(parameters);
    if (!scope) {
        return failure(responder, scope.error());
    }
    const auto any = matchParameters(parameters);
    if (!any) {
        return failure(responder, invalidParameter("match[]", any.error().message));
    }
    Expected<std::vector<Labels>> found;
    if (!scope->empty()) {
        found = data.series(*any, scope->from, scope->to);
    }
    if (!found) {
        return failure(responder, found.error());
    }
    const auto warnings = truncate(*found, scope->limit);
    success(
        responder,
        [&](JsonWriter& json) {
            json.StartArray();
            for (const auto& each : *found) {
                labels(json, each);
            }
            json.EndArray();
        },
        warnings);
}

void answerLabelNames(const storage::Queryable& data, const Parameters& parameters, Responder& responder) {
    const auto scope = readScope(parameters);
    if (!scope) {
        return failure(responder, scope.error());
    }
    const auto any = matchParameters(parameters);
    if (!any) {
        return failure(responder, any.error());
    }
    if (scope->empty()) {
        return answerTexts(std::vector<std::string>(), 0, responder);
    }
    answerTexts(data.labelNames(*any, scope->from, scope->to), scope->limit, responder);
}

void answerLabelValues(const storage::Queryable& data, std::string_view encoded_name,
                       const Parameters& parameters, Responder& responder) {
    const auto decoded = decodePath(encoded_name);
    if (!decoded) {
        return failure(responder, 400, "bad_data", decoded.error().message);
    }
    const std::string name = unescapeName(*decoded);
    if (name.empty() || !isValidUtf8(name)) {
        return failure(responder, 400, "bad_data", "invalid label name: " + quoteBytes(name));
    }
    const auto scope = readScope(parameters);
    if (!scope) {
        return failure(responder, scope.error());
    }
    const auto any = matchParameters(parameters);
    if (!any) {
        return failure(responder, any.error());
    }
    if (scope->empty()) {
        return answerTexts(std::vector<std::string>(), 0, responder);
    }
    answerTexts(data.labelValues(name, *any, scope->from, scope->to), scope->limit, responder);
}

}  // namespace lapwing::api
