#include "collector/api/prometheus.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <optional>

#include "collector/api/answers.h"
#include "collector/api/discovery.h"
#include "collector/api/federate.h"
#include "collector/api/parameters.h"
#include "collector/api/parse_query.h"
#include "collector/api/result_json.h"
#include "collector/api/rules_json.h"
#include "collector/api/targets.h"
#include "collector/api/timeline.h"
#include "collector/limits/query_limits.h"
#include "collector/promql/engine.h"
#include "collector/promql/pretty.h"
#include "collector/storage/store.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxForm = 4U << 20;
constexpr std::int64_t kMaxPoints = 11'000;
constexpr std::int64_t kNanoseconds = 1'000'000;  // in a millisecond
constexpr int kClientClosed = 499;                // nginx' status, which Prometheus uses too

}  // namespace

struct PrometheusApi::Call {
    Request& request;
    const Parameters& parameters;
    const std::string& problem;  ///< of the form
    Responder& responder;
    std::string_view name;  ///< of the label in the path, encoded
};

struct PrometheusApi::Route {
    std::string_view path;
    bool takes_post;
    bool takes_turn;  ///< goes through the query gate (query and query_range acquire it themselves)
    void (PrometheusApi::*answer)(const Call& call) const;
};

const std::array<PrometheusApi::Route, 24> PrometheusApi::kRoutes = {{
    {"/api/v1/query", true, false, &PrometheusApi::query},
    {"/api/v1/query_range", true, false, &PrometheusApi::queryRange},
    {"/api/v1/query_exemplars", true, false, &PrometheusApi::queryExemplars},
    {"/api/v1/format_query", true, false, &PrometheusApi::formatQuery},
    {"/api/v1/parse_query", true, false, &PrometheusApi::parseQuery},
    {"/api/v1/series", true, true, &PrometheusApi::series},
    {"/api/v1/labels", true, true, &PrometheusApi::labelNames},
    {"/api/v1/label/*/values", false, true, &PrometheusApi::labelValues},
    {"/api/v1/targets", false, true, &PrometheusApi::targets},
    {"/api/v1/targets/metadata", false, true, &PrometheusApi::targetMetadata},
    {"/api/v1/scrape_pools", false, true, &PrometheusApi::scrapePools},
    {"/api/v1/metadata", false, false, &PrometheusApi::metadata},
    {"/api/v1/rules", false, false, &PrometheusApi::rules},
    {"/api/v1/alerts", false, false, &PrometheusApi::alerts},
    {"/api/v1/alertmanagers", false, false, &PrometheusApi::alertmanagers},
    {"/api/v1/notifications", false, false, &PrometheusApi::notifications},
    {"/api/v1/status/config", false, false, &PrometheusApi::config},
    {"/api/v1/status/flags", false, false, &PrometheusApi::flags},
    {"/api/v1/status/runtimeinfo", false, false, &PrometheusApi::runtimeInfo},
    {"/api/v1/status/buildinfo", false, false, &PrometheusApi::buildInfo},
    {"/api/v1/status/tsdb", false, true, &PrometheusApi::tsdb},
    {"/api/v1/status/walreplay", false, false, &PrometheusApi::walReplay},
    {"/federate", false, true, &PrometheusApi::federate},
    {"/api/lapwing/v1/timeline", false, true, &PrometheusApi::timeline},
}};

void PrometheusApi::run(const Call& call, std::size_t limit, const Evaluation& evaluation) const {
    auto& responder = call.responder;
    auto options = parts_.engine.options();
    if (const std::string value = first(call.parameters, "timeout"); !value.empty()) {
        const auto timeout = parseDurationNs(value);
        if (!timeout) {
            return failure(responder, invalidParameter("timeout", timeout.error().message));
        }
        options.timeout_ms = std::min(options.timeout_ms, std::max<std::int64_t>(*timeout / kNanoseconds, 1));
    }
    if (const std::string value = first(call.parameters, "lookback_delta"); !value.empty()) {
        const auto lookback = parseDurationNs(value);
        if (!lookback) {
            return failure(responder, 400, "bad_data",
                           "error parsing lookback delta duration: " + lookback.error().message);
        }
        if (*lookback > 0) {
            options.lookback_ms = std::max<std::int64_t>(*lookback / kNanoseconds, 1);
        }
    }
    const auto& gone = call.request.gone();
    const auto until = Clock::now() + std::chrono::milliseconds(options.timeout_ms);
    // Held until the answer is in its buffer: the result is as large as the data that it was computed from.
    const QueryGate::Turn turn(gate_, std::chrono::milliseconds(options.timeout_ms), gone);
    const auto cancelled = [&] {
        count(Outcome::cancelled);
        failure(responder, kClientClosed, "canceled", "query was canceled in query execution");
    };
    if (gone) {
        return cancelled();
    }
    if (!turn) {
        count(Outcome::timeout);
        return failure(responder, {ErrorKind::timeout, "query timed out in query queue"});
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    options.timeout_ms = std::max<std::int64_t>(left.count(), 1);
    auto result = evaluation(promql::Engine(parts_.data, options));
    if (!result && gone) {
        return cancelled();
    }
    count(result                                      ? Outcome::success
          : result.error().kind == ErrorKind::timeout ? Outcome::timeout
                                                      : Outcome::error);
    answerResult(std::move(result), limit, responder);
}

void PrometheusApi::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    static constexpr std::array<const char*, 4> names = {"success", "error", "timeout", "cancelled"};
    auto total = counter(metric::kCollectorQueriesTotal, "Queries by how they ended.");
    for (std::size_t i = 0; i < names.size(); ++i) {
        add(total, {{"result", names[i]}}, static_cast<double>(outcomes_[i].load()));
    }
    out.push_back(std::move(total));
    const auto state = gate_.state();
    auto now = gauge(metric::kCollectorQueries, "Queries that are evaluated, or wait for their turn.");
    add(now, {{"state", "running"}}, state.running);
    add(now, {{"state", "waiting"}}, state.waiting);
    out.push_back(std::move(now));
}

void PrometheusApi::query(const Call& call) const {
    const auto limit = limitParameter(call.parameters);
    if (!limit) {
        return failure(call.responder, limit.error());
    }
    const auto at = timeParameter(call.parameters, "time", nowMs());
    if (!at) {
        return failure(call.responder, at.error());
    }
    run(call, *limit, [&](const promql::Engine& engine) {
        return engine.instant(first(call.parameters, "query"), *at, &call.request.gone());
    });
}

void PrometheusApi::queryRange(const Call& call) const {
    const auto limit = limitParameter(call.parameters);
    if (!limit) {
        return failure(call.responder, limit.error());
    }
    const auto start = timeParameter(call.parameters, "start", std::nullopt);
    if (!start) {
        return failure(call.responder, start.error());
    }
    const auto end = timeParameter(call.parameters, "end", std::nullopt);
    if (!end) {
        return failure(call.responder, end.error());
    }
    if (*end < *start) {
        return failure(call.responder,
                       invalidParameter("end", "end timestamp must not be before start time"));
    }
    const auto step = parseDurationNs(first(call.parameters, "step"));
    if (!step) {
        return failure(call.responder, invalidParameter("step", step.error().message));
    }
    if (*step <= 0) {
        return failure(
            call.responder,
            invalidParameter("step",
                             "zero or negative query resolution step widths are not accepted. Try a "
                             "positive integer"));
    }
    const auto most = std::numeric_limits<std::int64_t>::max() / kNanoseconds;
    if (std::min(*end - *start, most) * kNanoseconds / *step > kMaxPoints) {
        return failure(
            call.responder, 400, "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
            "resolution (?step=XX)");
    }
    const auto step_ms = std::max<std::int64_t>(*step / kNanoseconds, 1);
    run(call, *limit, [&](const promql::Engine& engine) {
        return engine.range(first(call.parameters, "query"), *start, *end, step_ms, &call.request.gone());
    });
}

void PrometheusApi::queryExemplars(const Call& call) const {
    const auto start = timeParameter(call.parameters, "start", kMinTime);
    if (!start) {
        return failure(call.responder, start.error());
    }
    const auto end = timeParameter(call.parameters, "end", kMaxTime);
    if (!end) {
        return failure(call.responder, end.error());
    }
    if (*end < *start) {
        return failure(call.responder, 400, "bad_data", "end timestamp must not be before start timestamp");
    }
    const auto selects = selectsSeries(first(call.parameters, "query"));
    if (!selects) {
        return failure(call.responder, selects.error());
    }
    if (!*selects) {
        return call.responder.send(204, "", "");
    }
    success(call.responder, [](JsonWriter& json) {
        json.StartArray();
        json.EndArray();
    });
}

void PrometheusApi::formatQuery(const Call& call) const {
    const auto formatted = promql::pretty(first(call.parameters, "query"));
    if (!formatted) {
        return failure(call.responder, invalidParameter("query", formatted.error().message));
    }
    success(call.responder, [&](JsonWriter& json) { text(json, *formatted); });
}

void PrometheusApi::parseQuery(const Call& call) const {
    answerParseQuery(first(call.parameters, "query"), call.responder);
}

void PrometheusApi::series(const Call& call) const {
    if (!call.problem.empty()) {
        return failure(call.responder, 400, "bad_data", "error parsing form values: " + call.problem);
    }
    answerSeries(parts_.data, call.parameters, call.responder);
}

void PrometheusApi::labelNames(const Call& call) const {
    answerLabelNames(parts_.data, call.parameters, call.responder);
}

void PrometheusApi::labelValues(const Call& call) const {
    answerLabelValues(parts_.data, call.name, call.parameters, call.responder);
}

void PrometheusApi::targets(const Call& call) const {
    const auto found = findTargets(parts_.data, nowMs(), parts_.engine.options().lookback_ms);
    if (!found) {
        return failure(call.responder, found.error());
    }
    answerTargets(*found, call.parameters, call.responder);
}

void PrometheusApi::targetMetadata(const Call& call) const {
    const auto found = findTargets(parts_.data, nowMs(), parts_.engine.options().lookback_ms);
    if (!found) {
        return failure(call.responder, found.error());
    }
    answerTargetMetadata(*found, parts_.data, parts_.metadata, call.parameters, call.responder);
}

void PrometheusApi::scrapePools(const Call& call) const {
    const auto found = findTargets(parts_.data, nowMs(), parts_.engine.options().lookback_ms);
    if (!found) {
        return failure(call.responder, found.error());
    }
    answerScrapePools(*found, call.responder);
}

void PrometheusApi::metadata(const Call& call) const {
    answerMetadata(parts_.metadata, call.parameters, call.responder);
}

void PrometheusApi::rules(const Call& call) const {
    if (!call.problem.empty()) {
        return failure(call.responder, 400, "bad_data", "error parsing form values: " + call.problem);
    }
    answerRules(parts_.rules.groups(), call.parameters, call.responder);
}

void PrometheusApi::alerts(const Call& call) const {
    answerAlerts(parts_.rules.groups(), call.responder);
}

void PrometheusApi::alertmanagers(const Call& call) const {
    answerAlertmanagers(facts_, call.responder);
}

void PrometheusApi::notifications(const Call& call) const {
    success(call.responder, [](JsonWriter& json) {
        json.StartArray();
        json.EndArray();
    });
}

void PrometheusApi::config(const Call& call) const {
    answerConfig(facts_, call.responder);
}

void PrometheusApi::flags(const Call& call) const {
    answerFlags(facts_, call.responder);
}

void PrometheusApi::runtimeInfo(const Call& call) const {
    answerRuntimeInfo(facts_, reloaded_, reload_ok_, call.responder);
}

void PrometheusApi::buildInfo(const Call& call) const {
    answerBuildInfo(call.responder);
}

void PrometheusApi::tsdb(const Call& call) const {
    int limit = 10;
    if (const std::string value = first(call.parameters, "limit"); !value.empty()) {
        limit = parseInteger(value).value_or(0);
        if (limit < 1) {
            return failure(call.responder, 400, "bad_data", "limit must be a positive number");
        }
    }
    answerTsdb(parts_.data, parts_.stats(), static_cast<std::size_t>(limit), call.responder);
}

void PrometheusApi::walReplay(const Call& call) const {
    // Replay ends before the API serves.
    success(call.responder, [](JsonWriter& json) {
        json.StartObject();
        for (const char* name : {"min", "max", "current"}) {
            key(json, name);
            json.Int(0);
        }
        json.EndObject();
    });
}

void PrometheusApi::federate(const Call& call) const {
    if (!call.problem.empty()) {
        return call.responder.send(400, "text/plain; charset=utf-8",
                                   "error parsing form values: " + call.problem + "\n");
    }
    const auto& options = parts_.engine.options();
    answerFederate(parts_.data, nowMs(), options.lookback_ms, options.max_samples, call.request,
                   call.parameters, call.responder);
}

void PrometheusApi::timeline(const Call& call) const {
    if (!call.problem.empty()) {
        return failure(call.responder, 400, "bad_data", "error parsing form values: " + call.problem);
    }
    answerTimeline(parts_.data, parts_.silences, call.parameters, call.responder);
}

void PrometheusApi::answer(const Route& route, Request& request, Responder& responder) const {
    std::optional<std::string> body;
    if (request.method == "POST") {
        auto read = request.body(kMaxForm);
        if (!read) {
            return failure(responder, read.error().kind == ErrorKind::exhausted ? 413 : 400, "bad_data",
                           read.error().message);
        }
        body = std::move(*read);
    }
    const auto& options = parts_.engine.options();
    const QueryLimits limits(options.max_memory, Clock::now() + std::chrono::milliseconds(options.timeout_ms),
                             &request.gone());
    try {
        answerWithinLimits(route, request, body, responder);
    } catch (const std::bad_alloc&) {
        failure(responder, QueryLimits::outOfMemory());
    }
}

void PrometheusApi::answerWithinLimits(const Route& route, Request& request,
                                       const std::optional<std::string>& body, Responder& responder) const {
    auto form = parseForm(request.query);
    if (body) {
        auto posted = parseForm(*body);
        // As in Go's forms, the body's values come before those of the URL.
        posted.values.insert(posted.values.end(), form.values.begin(), form.values.end());
        if (posted.problem.empty()) {
            posted.problem = form.problem;
        }
        form = std::move(posted);
    }
    std::string_view name;
    if (const auto star = route.path.find('*'); star != std::string_view::npos) {
        name = std::string_view(request.path).substr(star);
        name.remove_suffix(route.path.size() - star - 1);
    }
    std::optional<QueryGate::Turn> turn;
    if (route.takes_turn) {
        const auto& gone = request.gone();
        turn.emplace(gate_, std::chrono::milliseconds(parts_.engine.options().timeout_ms), gone);
        if (!*turn) {
            return failure(responder, {ErrorKind::timeout, "the request timed out in the query queue"});
        }
    }
    (this->*route.answer)({request, form.values, form.problem, responder, name});
}

bool PrometheusApi::handle(Request& request, Responder& responder) const {
    const auto meant = [&](const Route& route) {
        const auto star = route.path.find('*');
        if (star == std::string_view::npos) {
            return route.path == request.path;
        }
        const auto before = route.path.substr(0, star);
        const auto after = route.path.substr(star + 1);
        return request.path.size() > before.size() + after.size() && request.path.starts_with(before) &&
               request.path.ends_with(after) &&
               request.path.find('/', before.size()) == request.path.size() - after.size();
    };
    const bool of_api = request.path.starts_with("/api/v1/");
    // As in Prometheus, but without its CORS headers: pages of other origins have no access.
    if (of_api && request.method == "OPTIONS") {
        responder.send(204, "", "");
        return true;
    }
    const auto route = std::find_if(kRoutes.begin(), kRoutes.end(), meant);
    if (route == kRoutes.end()) {
        return false;
    }
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads || (route->takes_post && request.method == "POST")) {
        answer(*route, request, responder);
        return true;
    }
    responder.header("Allow", std::string("GET, HEAD") + (of_api ? ", OPTIONS" : "") +
                                  (route->takes_post ? ", POST" : ""));
    responder.send(405, "text/plain; charset=utf-8", "Method Not Allowed\n");
    return true;
}

}  // namespace lapwing::api
