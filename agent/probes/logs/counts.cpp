#include "agent/probes/logs/counts.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "agent/probes/text.h"
#include "common/characters.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/model/labels.h"
#include "common/text.h"

namespace lapwing::agent::logs {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Families = std::map<std::string, MetricFamily>;

// docs/limits.md
constexpr std::size_t kMostServers = 16;
constexpr std::size_t kMostKinds = 256;
constexpr std::size_t kMostUpstreams = 16;
constexpr std::size_t kMostStates = 16;  ///< of one upstream server
constexpr std::size_t kMostNameBytes = 128;
/// The time of such a request is that of its connection (WebSocket).
constexpr std::string_view kSwitchingProtocols = "101";

// prometheus-nginxlog-exporter's names.
constexpr const char* kResponseCount = "nginx_http_response_count_total";
constexpr const char* kResponseSize = "nginx_http_response_size_bytes";
constexpr const char* kRequestSize = "nginx_http_request_size_bytes";
constexpr const char* kResponseTime = "nginx_http_response_time_seconds_hist";
constexpr const char* kUpstreamTime = "nginx_http_upstream_time_seconds_hist";

constexpr std::array kMethods{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr std::array<std::string_view, 9> kLevelNames{"emerg",  "alert", "crit",  "error", "warn",
                                                      "notice", "info",  "debug", kOther};

/// "" where the log has no method.
std::string methodOf(const AccessLine& line) {
    std::string_view method;
    if (const auto given = line[Field::request_method]) {
        method = *given;
    } else if (const auto request = line[Field::request]) {
        method = request->substr(0, request->find(' '));
    } else {
        return "";
    }
    const bool known = std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
    return known ? std::string(method) : kOther;
}

/// "200"; "" where the log has no status.
std::string statusOf(std::optional<std::string_view> status) {
    if (!status) {
        return "";
    }
    const bool known = status->size() == 3 && (*status)[0] >= '1' && (*status)[0] <= '5' &&
                       isDigit((*status)[1]) && isDigit((*status)[2]);
    return known ? std::string(*status) : kOther;
}

void addAmount(std::optional<std::uint64_t>& sum, std::optional<std::string_view> text) {
    if (const auto amount = text ? amountOf(*text) : std::nullopt) {
        sum = sum.value_or(0) + static_cast<std::uint64_t>(*amount);
    }
}

void addHistogram(MetricFamily& family, std::vector<ClientMetric::Label> labels, const Histogram& histogram) {
    ClientMetric metric;
    metric.label = std::move(labels);
    for (auto& label : metric.label) {
        label.value = asUtf8(std::move(label.value));
    }
    metric.histogram.sample_count = histogram.count;
    metric.histogram.sample_sum = static_cast<double>(histogram.sum_us) / 1e6;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kBounds.size(); ++i) {
        below += histogram.buckets[i];
        metric.histogram.bucket.push_back({below, kBounds[i]});
    }
    family.metric.push_back(std::move(metric));
}

void writeHistogram(json::Writer& out, std::string_view name, const Histogram& histogram) {
    json::key(out, name);
    out.StartObject();
    json::put(out, "buckets", histogram.buckets);
    json::put(out, "count", histogram.count);
    json::put(out, "sum_us", histogram.sum_us);
    out.EndObject();
}

Histogram readHistogram(const json::Value& in) {
    Histogram out;
    std::size_t place = 0;
    for (const auto& bucket : json::items(json::member(in, "buckets"))) {
        if (place < kBounds.size() && bucket.IsUint64()) {
            out.buckets[place] = bucket.GetUint64();
        }
        ++place;
    }
    out.count = json::unsignedInteger(in, "count").value_or(0);
    out.sum_us = json::unsignedInteger(in, "sum_us").value_or(0);
    return out;
}

void writeCounts(json::Writer& out, std::string_view name,
                 const std::map<std::string, std::uint64_t>& counts) {
    json::key(out, name);
    out.StartObject();
    for (const auto& [key, count] : counts) {
        json::put(out, key, count);
    }
    out.EndObject();
}

std::map<std::string, std::uint64_t> readCounts(const json::Value& in) {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [key, count] : json::members(in)) {
        if (count.IsUint64()) {
            out[json::text(key)] = count.GetUint64();
        }
    }
    return out;
}

/// The entry of a name; that of "other" once there are `most`.
template <class Map>
auto& entryOf(Map& map, std::string_view name, std::size_t most) {
    if (const auto found = map.find(name); found != map.end()) {
        return found->second;
    }
    auto key = name.size() > kMostNameBytes ? kOther : asUtf8(std::string(name));
    if (map.size() >= most && !map.contains(key)) {
        key = kOther;
    }
    return map[key];
}

MetricFamily histogramFamily(const char* name, const char* help) {
    return {name, help, prometheus::MetricType::Histogram, {}};
}

/// The text behind "2026/11/30 17:00:00 [", which begins every message.
std::string_view behindTime(std::string_view line) {
    constexpr std::string_view form = "0000/00/00 00:00:00 [";
    if (line.size() < form.size()) {
        return {};
    }
    for (std::size_t i = 0; i < form.size(); ++i) {
        if (form[i] == '0' ? !isDigit(line[i]) : line[i] != form[i]) {
            return {};
        }
    }
    return line.substr(form.size());
}

}  // namespace

void Histogram::observe(double seconds) {
    const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    if (bound != kBounds.end()) {
        ++buckets[static_cast<std::size_t>(bound - kBounds.begin())];
    }
    ++count;
    constexpr double most_seconds = 1e9;
    sum_us += static_cast<std::uint64_t>(std::llround(std::min(seconds, most_seconds) * 1e6));
}

AccessCounts::Server& AccessCounts::serverOf(const AccessLine& line) {
    return entryOf(servers_, line[Field::server_name].value_or(""), kMostServers);
}

void AccessCounts::addRequest(Server& server, const AccessLine& line) {
    auto method = methodOf(line);
    auto status = statusOf(line[Field::status]);
    const auto known = server.requests.find(method);
    if (known == server.requests.end() || !known->second.contains(status)) {
        if (kinds_ >= kMostKinds) {
            method = method.empty() ? "" : kOther;
            status = status.empty() || status == kOther ? status : status.substr(0, 1) + "xx";
        } else {
            ++kinds_;
        }
    }
    ++server.requests[method][status];
}

AccessCounts::Upstream& AccessCounts::upstreamOf(std::string_view address) {
    return entryOf(upstreams_, address, kMostUpstreams);
}

void AccessCounts::addUpstreams(const AccessLine& line) {
    const auto list = [&](Field field) { return upstreamList(line[field].value_or("")); };
    const auto addresses = list(Field::upstream_addr);
    const auto states = list(Field::upstream_status);
    const auto times = list(Field::upstream_response_time);
    // Lists of other lengths cannot be attributed.
    const bool named = addresses.size() == std::max(states.size(), times.size());
    for (std::size_t i = 0; i < std::max({addresses.size(), states.size(), times.size()}); ++i) {
        auto& upstream = upstreamOf(named ? addresses[i] : std::string_view());
        const bool switched = i < states.size() && states[i] == kSwitchingProtocols;
        if (const auto time = i < times.size() && !switched ? amountOf(times[i]) : std::nullopt) {
            upstream.times.observe(*time);
        }
        if (i < states.size() && states[i] != "-") {
            auto status = statusOf(states[i]);
            if (upstream.responses.size() >= kMostStates && !upstream.responses.contains(status)) {
                status = kOther;
            }
            ++upstream.responses[status];
        }
    }
}

void AccessCounts::add(const AccessLine& line) {
    auto& server = serverOf(line);
    addRequest(server, line);
    const auto sent = line[Field::bytes_sent];
    addAmount(server.response_bytes, sent ? sent : line[Field::body_bytes_sent]);
    addAmount(server.request_bytes, line[Field::request_length]);
    const auto taken = line[Field::status] == kSwitchingProtocols ? std::nullopt : line[Field::request_time];
    if (const auto time = taken ? amountOf(*taken) : std::nullopt) {
        server.times.observe(*time);
    }
    addUpstreams(line);
}

void AccessCounts::report(const std::string& log, Families& out) const {
    for (const auto& [name, server] : servers_) {
        const std::vector<ClientMetric::Label> labels{{"log", log}, {"server_name", name}};
        for (const auto& [method, by_status] : server.requests) {
            for (const auto& [status, count] : by_status) {
                auto all = labels;
                all.push_back({"method", method});
                all.push_back({"status", status});
                lapwing::add(out.at(kResponseCount), std::move(all), static_cast<double>(count));
            }
        }
        if (server.response_bytes) {
            lapwing::add(out.at(kResponseSize), labels, static_cast<double>(*server.response_bytes));
        }
        if (server.request_bytes) {
            lapwing::add(out.at(kRequestSize), labels, static_cast<double>(*server.request_bytes));
        }
        if (server.times.count > 0) {
            addHistogram(out.at(kResponseTime), labels, server.times);
        }
    }
    for (const auto& [name, upstream] : upstreams_) {
        const std::vector<ClientMetric::Label> labels{{"log", log}, {"upstream", name}};
        if (upstream.times.count > 0) {
            addHistogram(out.at(kUpstreamTime), labels, upstream.times);
        }
        for (const auto& [status, count] : upstream.responses) {
            auto all = labels;
            all.push_back({"status", status});
            lapwing::add(out.at(metric::kNginxUpstreamResponsesTotal), std::move(all),
                         static_cast<double>(count));
        }
    }
}

void AccessCounts::write(json::Writer& out) const {
    out.StartObject();
    json::key(out, "servers");
    out.StartArray();
    for (const auto& [name, server] : servers_) {
        out.StartObject();
        json::put(out, "name", name);
        json::key(out, "requests");
        out.StartObject();
        for (const auto& [method, by_status] : server.requests) {
            writeCounts(out, method, by_status);
        }
        out.EndObject();
        if (server.response_bytes) {
            json::put(out, "response_bytes", *server.response_bytes);
        }
        if (server.request_bytes) {
            json::put(out, "request_bytes", *server.request_bytes);
        }
        writeHistogram(out, "times", server.times);
        out.EndObject();
    }
    out.EndArray();
    json::key(out, "upstreams");
    out.StartArray();
    for (const auto& [name, upstream] : upstreams_) {
        out.StartObject();
        json::put(out, "name", name);
        writeCounts(out, "responses", upstream.responses);
        writeHistogram(out, "times", upstream.times);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
}

void AccessCounts::read(const json::Value& in) {
    for (const auto& each : json::items(json::member(in, "servers"))) {
        auto& server = servers_[json::text(each, "name")];
        for (const auto& [method, by_status] : json::members(json::member(each, "requests"))) {
            auto& counts = server.requests[json::text(method)];
            counts = readCounts(by_status);
            kinds_ += counts.size();
        }
        server.response_bytes = json::unsignedInteger(each, "response_bytes");
        server.request_bytes = json::unsignedInteger(each, "request_bytes");
        server.times = readHistogram(json::member(each, "times"));
    }
    for (const auto& each : json::items(json::member(in, "upstreams"))) {
        auto& upstream = upstreams_[json::text(each, "name")];
        upstream.responses = readCounts(json::member(each, "responses"));
        upstream.times = readHistogram(json::member(each, "times"));
    }
}

bool ErrorCounts::add(std::string_view line) {
    const auto rest = behindTime(line);
    const auto end = rest.find(']');
    if (rest.empty() || end == std::string_view::npos) {
        return false;
    }
    const auto* const known = std::find(kLevelNames.begin(), kLevelNames.end() - 1, rest.substr(0, end));
    ++messages_[static_cast<std::size_t>(known - kLevelNames.begin())];
    return true;
}

void ErrorCounts::report(const std::string& log, Families& out) const {
    for (std::size_t i = 0; i < kLevels; ++i) {
        lapwing::add(out.at(metric::kNginxErrorLogMessagesTotal),
                     {{"log", log}, {"level", std::string(kLevelNames[i])}},
                     static_cast<double>(messages_[i]));
    }
}

void ErrorCounts::write(json::Writer& out) const {
    out.StartObject();
    for (std::size_t i = 0; i < kLevels; ++i) {
        json::put(out, kLevelNames[i], messages_[i]);
    }
    out.EndObject();
}

void ErrorCounts::read(const json::Value& in) {
    for (std::size_t i = 0; i < kLevels; ++i) {
        messages_[i] = json::unsignedInteger(in, kLevelNames[i]).value_or(0);
    }
}

Families emptyFamilies() {
    std::vector<MetricFamily> all{
        counter(kResponseCount, "Requests by method and status, from the access log."),
        counter(kResponseSize, "Bytes of the responses ($bytes_sent, or else $body_bytes_sent)."),
        counter(kRequestSize, "Bytes of the requests ($request_length)."),
        histogramFamily(kResponseTime, "Time until the last byte was sent to the client ($request_time)."),
        histogramFamily(kUpstreamTime,
                        "Time of each attempt at an upstream server ($upstream_response_time)."),
        counter(metric::kNginxUpstreamResponsesTotal,
                "Attempts at each upstream server by status ($upstream_status)."),
        counter(metric::kNginxErrorLogMessagesTotal, "Messages of the error log by level."),
        gauge(metric::kLogUp, "1 if the log can be read."),
        counter(metric::kLogLinesTotal, "Lines that were read, by their fate."),
        gauge(metric::kLogUnreadBytes, "Bytes of the log that were not read yet."),
        counter(metric::kLogSkippedBytesTotal, "Bytes that were left out, because the log grows too fast."),
        counter(metric::kLogGapsTotal, "Rotations at which lines may be missing."),
    };
    Families out;
    for (auto& family : all) {
        auto name = family.name;
        out.emplace(std::move(name), std::move(family));
    }
    return out;
}

}  // namespace lapwing::agent::logs
