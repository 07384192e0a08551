#include "collector/api/prometheus.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/api/rules_json.h"
#include "collector/promql/engine.h"

namespace lapwing::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxForm = 1U << 20;
constexpr std::int64_t kMaxPoints = 11'000;
// What "no start" and "no end" mean: every time that a sample can have, without overflow when something is
// added.
constexpr TimestampMs kMinTime = -8'640'000'000'000'000;
constexpr TimestampMs kMaxTime = 8'640'000'000'000'000;
// The version whose answers these are, as clients that look for features expect it.
constexpr const char* kPrometheusVersion = "3.5.0";

Error invalidParameter(const std::string& name, const std::string& why) {
    return {ErrorKind::invalid, "invalid parameter \"" + name + "\": " + why};
}

Expected<TimestampMs> timeParameter(const Parameters& parameters, const std::string& name,
                                    std::optional<TimestampMs> fallback) {
    const std::string value = first(parameters, name);
    if (value.empty() && fallback) return *fallback;
    auto time = parseTime(value);
    if (!time) return tl::unexpected(invalidParameter(name, time.error().message));
    return time;
}

/// 0: no limit.
Expected<std::size_t> limitParameter(const Parameters& parameters) {
    const std::string value = first(parameters, "limit");
    std::size_t limit = 0;
    if (value.empty()) return limit;
    const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
    if (error != std::errc() || stop != value.data() + value.size()) {
        return tl::unexpected(invalidParameter("limit", "must be a non-negative number"));
    }
    return limit;
}

Expected<std::vector<storage::Matchers>> matchParameters(const Parameters& parameters) {
    std::vector<storage::Matchers> out;
    for (const auto& selector : all(parameters, "match[]")) {
        auto matchers = promql::parseSelector(selector);
        if (!matchers) return tl::unexpected(invalidParameter("match[]", matchers.error().message));
        out.push_back(std::move(*matchers));
    }
    return out;
}

/// Cuts to the limit; whether something was cut.
template <class T>
bool truncate(std::vector<T>& items, std::size_t limit) {
    if (limit == 0 || items.size() <= limit) return false;
    items.resize(limit);
    return true;
}

std::vector<std::string> truncationWarning(bool truncated) {
    return truncated ? std::vector<std::string>{"results truncated due to limit"}
                     : std::vector<std::string>{};
}

void writeResult(JsonWriter& json, const promql::Result& result) {
    struct Visitor {
        JsonWriter& json;
        void type(const char* name) const {
            field(json, "resultType", name);
            key(json, "result");
        }
        void operator()(const promql::Scalar& scalar) const {
            type("scalar");
            point(json, {scalar.timestamp, scalar.value});
        }
        void operator()(const promql::String& string) const {
            type("string");
            json.StartArray();
            const std::string time = formatTimestamp(string.timestamp);
            json.RawValue(time.data(), time.size(), rapidjson::kNumberType);
            text(json, string.value);
            json.EndArray();
        }
        void operator()(const promql::Vector& vector) const {
            type("vector");
            json.StartArray();
            for (const auto& element : vector) {
                json.StartObject();
                key(json, "metric");
                labels(json, element.labels);
                key(json, "value");
                point(json, element.sample);
                json.EndObject();
            }
            json.EndArray();
        }
        void operator()(const promql::Matrix& matrix) const {
            type("matrix");
            json.StartArray();
            for (const auto& series : matrix) {
                json.StartObject();
                key(json, "metric");
                labels(json, series.labels);
                key(json, "values");
                json.StartArray();
                for (const auto& sample : series.samples) point(json, sample);
                json.EndArray();
                json.EndObject();
            }
            json.EndArray();
        }
    };
    json.StartObject();
    std::visit(Visitor{json}, result.value);
    json.EndObject();
}

bool truncateResult(promql::Result& result, std::size_t limit) {
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) return truncate(*vector, limit);
    if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) return truncate(*matrix, limit);
    return false;
}

void answerResult(Expected<promql::Result> result, std::size_t limit, Responder& responder) {
    if (!result) {
        // Prometheus names the parameter where the query itself is what is wrong.
        failure(responder, result.error().kind == ErrorKind::invalid
                               ? invalidParameter("query", result.error().message)
                               : result.error());
        return;
    }
    if (truncateResult(*result, limit)) result->warnings.emplace_back("results truncated due to limit");
    success(
        responder, [&](JsonWriter& json) { writeResult(json, *result); }, result->warnings, result->infos);
}

void answerTexts(Expected<std::vector<std::string>> texts, std::size_t limit, Responder& responder) {
    if (!texts) {
        failure(responder, texts.error());
        return;
    }
    const bool truncated = truncate(*texts, limit);
    success(
        responder,
        [&](JsonWriter& json) {
            json.StartArray();
            for (const auto& each : *texts) text(json, each);
            json.EndArray();
        },
        truncationWarning(truncated));
}

/// A label's name in a path may be written as U__..., with _HEX_ for each character that no plain name holds
/// and __ for an underscore (Prometheus' "values encoding"). What is not so written stays as it is.
std::string unescapeName(const std::string& name) {
    if (!name.starts_with("U__")) return name;
    std::string out;
    for (std::size_t i = 3; i < name.size(); ++i) {
        if (name[i] != '_') {
            out += name[i];
            continue;
        }
        if (i + 1 < name.size() && name[i + 1] == '_') {
            out += '_';
            ++i;
            continue;
        }
        const auto end = name.find('_', i + 1);
        std::uint32_t code = 0;
        if (end == std::string::npos || end == i + 1 || end - i > 7) return name;
        const auto [stop, error] = std::from_chars(name.data() + i + 1, name.data() + end, code, 16);
        if (error != std::errc() || stop != name.data() + end || code > 0x10ffff) return name;
        if (code < 0x80) {
            out += static_cast<char>(code);
        } else if (code < 0x800) {
            out += static_cast<char>(0xc0 | (code >> 6));
            out += static_cast<char>(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            out += static_cast<char>(0xe0 | (code >> 12));
            out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
            out += static_cast<char>(0x80 | (code & 0x3f));
        } else {
            out += static_cast<char>(0xf0 | (code >> 18));
            out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
            out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
            out += static_cast<char>(0x80 | (code & 0x3f));
        }
        i = end;
    }
    return out;
}

void answerBuildInfo(Responder& responder) {
    success(responder, [](JsonWriter& json) {
        json.StartObject();
        field(json, "application", "Lapwing");
        field(json, "version", kPrometheusVersion);
        field(json, "revision", LAPWING_VERSION);
        field(json, "branch", "");
        field(json, "buildUser", "");
        field(json, "buildDate", "");
        field(json, "goVersion", "");
        json.EndObject();
    });
}

void answerEmpty(Responder& responder, bool array) {
    success(responder, [array](JsonWriter& json) {
        array ? json.StartArray() : json.StartObject();
        array ? json.EndArray() : json.EndObject();
    });
}

void answerTargets(Responder& responder) {
    // Agents push: there are no targets that anybody scrapes.
    success(responder, [](JsonWriter& json) {
        json.StartObject();
        for (const char* name : {"activeTargets", "droppedTargets"}) {
            key(json, name);
            json.StartArray();
            json.EndArray();
        }
        key(json, "droppedTargetCounts");
        json.StartObject();
        json.EndObject();
        json.EndObject();
    });
}

}  // namespace

struct PrometheusApi::Call {
    const Parameters& parameters;
    Responder& responder;
};

void PrometheusApi::run(const Call& call, const Evaluation& evaluation) const {
    const auto limit = limitParameter(call.parameters);
    if (!limit) return failure(call.responder, limit.error());
    auto options = engine_.options();
    if (const std::string value = first(call.parameters, "timeout"); !value.empty()) {
        const auto timeout = parseStep(value);
        if (!timeout) return failure(call.responder, invalidParameter("timeout", timeout.error().message));
        options.timeout_ms = std::min(options.timeout_ms, std::max<std::int64_t>(*timeout, 1));
    }
    const auto until = Clock::now() + std::chrono::milliseconds(options.timeout_ms);
    // Held until the answer is out: the result is as large as what was evaluated.
    const QueryGate::Turn turn(gate_, std::chrono::milliseconds(options.timeout_ms));
    if (!turn) return failure(call.responder, {ErrorKind::timeout, "query timed out in query queue"});
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    options.timeout_ms = std::max<std::int64_t>(left.count(), 1);
    answerResult(evaluation(promql::Engine(data_, options)), *limit, call.responder);
}

void PrometheusApi::query(const Call& call) const {
    const auto at = timeParameter(call.parameters, "time", nowMs());
    if (!at) return failure(call.responder, at.error());
    run(call, [&](const promql::Engine& engine) {
        return engine.instant(first(call.parameters, "query"), *at, &interrupted_);
    });
}

void PrometheusApi::queryRange(const Call& call) const {
    const auto start = timeParameter(call.parameters, "start", std::nullopt);
    if (!start) return failure(call.responder, start.error());
    const auto end = timeParameter(call.parameters, "end", std::nullopt);
    if (!end) return failure(call.responder, end.error());
    if (*end < *start) {
        return failure(call.responder,
                       invalidParameter("end", "end timestamp must not be before start time"));
    }
    const auto step = parseStep(first(call.parameters, "step"));
    if (!step) return failure(call.responder, invalidParameter("step", step.error().message));
    if (*step <= 0) {
        return failure(
            call.responder,
            invalidParameter("step",
                             "zero or negative query resolution step widths are not accepted. Try a "
                             "positive integer"));
    }
    if ((*end - *start) / *step > kMaxPoints) {
        return failure(
            call.responder, 400, "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
            "resolution (?step=XX)");
    }
    run(call, [&](const promql::Engine& engine) {
        return engine.range(first(call.parameters, "query"), *start, *end, *step, &interrupted_);
    });
}

namespace {

/// What series, labels and label values have in common.
struct Scope {
    std::vector<storage::Matchers> any;
    TimestampMs from = kMinTime;
    TimestampMs to = kMaxTime;
    std::size_t limit = 0;
};

Expected<Scope> readScope(const Parameters& parameters) {
    Scope scope;
    const auto from = timeParameter(parameters, "start", kMinTime);
    if (!from) return tl::unexpected(from.error());
    const auto to = timeParameter(parameters, "end", kMaxTime);
    if (!to) return tl::unexpected(to.error());
    if (*to < *from)
        return tl::unexpected(invalidParameter("end", "end timestamp must not be before start time"));
    auto any = matchParameters(parameters);
    if (!any) return tl::unexpected(any.error());
    const auto limit = limitParameter(parameters);
    if (!limit) return tl::unexpected(limit.error());
    return Scope{std::move(*any), *from, *to, *limit};
}

}  // namespace

void PrometheusApi::series(const Call& call) const {
    const auto scope = readScope(call.parameters);
    if (!scope) return failure(call.responder, scope.error());
    if (scope->any.empty()) return failure(call.responder, 400, "bad_data", "no match[] parameter provided");
    auto found = data_.series(scope->any, scope->from, scope->to);
    if (!found) return failure(call.responder, found.error());
    const bool truncated = truncate(*found, scope->limit);
    success(
        call.responder,
        [&](JsonWriter& json) {
            json.StartArray();
            for (const auto& each : *found) labels(json, each);
            json.EndArray();
        },
        truncationWarning(truncated));
}

void PrometheusApi::labelNames(const Call& call) const {
    const auto scope = readScope(call.parameters);
    if (!scope) return failure(call.responder, scope.error());
    answerTexts(data_.labelNames(scope->any, scope->from, scope->to), scope->limit, call.responder);
}

void PrometheusApi::labelValues(const Call& call, const std::string& encoded_name) const {
    const auto decoded = decodePath(encoded_name);
    if (!decoded || decoded->empty() || !isValidUtf8(*decoded)) {
        return failure(call.responder, 400, "bad_data", "invalid label name: \"" + encoded_name + "\"");
    }
    const auto scope = readScope(call.parameters);
    if (!scope) return failure(call.responder, scope.error());
    answerTexts(data_.labelValues(unescapeName(*decoded), scope->any, scope->from, scope->to), scope->limit,
                call.responder);
}

bool PrometheusApi::handle(Request& request, Responder& responder) const {
    constexpr std::string_view prefix = "/api/v1/";
    if (!request.path.starts_with(prefix)) return false;
    const std::string name = request.path.substr(prefix.size());
    constexpr std::string_view label = "label/";
    constexpr std::string_view values = "/values";
    const bool label_values = name.starts_with(label) && name.ends_with(values) &&
                              name.size() > label.size() + values.size() &&
                              name.find('/', label.size()) == name.size() - values.size();
    const bool takes_post = name == "query" || name == "query_range" || name == "query_exemplars" ||
                            name == "labels" || name == "series" || name == "format_query";
    const bool known = takes_post || label_values || name == "rules" || name == "alerts" ||
                       name == "targets" || name == "metadata" || name == "status/buildinfo";
    if (!known) return false;
    if (request.method != "GET" && request.method != "HEAD" && !(takes_post && request.method == "POST")) {
        responder.header("Allow", takes_post ? "GET, POST" : "GET");
        responder.send(405, "text/plain; charset=utf-8", "Method Not Allowed\n");
        return true;
    }
    auto parameters = parseForm(request.query);
    if (parameters && request.method == "POST") {
        const auto body = request.body(kMaxForm);
        if (!body) {
            failure(responder, body.error().kind == ErrorKind::exhausted ? 413 : 400, "bad_data",
                    body.error().message);
            return true;
        }
        auto form = parseForm(*body);
        // The body's values come before those of the URL, as in Go's forms.
        if (form) form->insert(form->end(), parameters->begin(), parameters->end());
        parameters = std::move(form);
    }
    if (!parameters) {
        failure(responder, parameters.error());
        return true;
    }
    const Call call{*parameters, responder};
    if (name == "query") {
        query(call);
    } else if (name == "query_range") {
        queryRange(call);
    } else if (name == "series") {
        series(call);
    } else if (name == "labels") {
        labelNames(call);
    } else if (label_values) {
        labelValues(call, name.substr(label.size(), name.size() - label.size() - values.size()));
    } else if (name == "rules") {
        answerRules(rules_.groups(), *parameters, responder);
    } else if (name == "alerts") {
        answerAlerts(rules_.groups(), responder);
    } else if (name == "format_query") {
        const auto formatted = promql::canonical(first(*parameters, "query"));
        if (!formatted) {
            failure(responder, invalidParameter("query", formatted.error().message));
        } else {
            success(responder, [&](JsonWriter& json) { text(json, *formatted); });
        }
    } else if (name == "status/buildinfo") {
        answerBuildInfo(responder);
    } else if (name == "targets") {
        answerTargets(responder);
    } else {
        answerEmpty(responder, name == "query_exemplars");
    }
    return true;
}

}  // namespace lapwing::api
