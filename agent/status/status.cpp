#include "agent/status/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "common/json.h"
#include "common/model/labels_json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::agent {
namespace {

const char* outcomeName(ProbeState::Outcome outcome) {
    switch (outcome) {
        case ProbeState::Outcome::waiting:
            return "waiting";
        case ProbeState::Outcome::ok:
            return "ok";
        case ProbeState::Outcome::failed:
            return "failed";
    }
    return "failed";
}

const char* judgementName(ClockJudgement judgement) {
    switch (judgement) {
        case ClockJudgement::none:
            return "";
        case ClockJudgement::agrees:
            return "agrees";
        case ClockJudgement::wrong:
            return "wrong";
        case ClockJudgement::disputed:
            return "disputed";
    }
    return "";
}

void putDelivery(json::Writer& out, const AgentStatus& status) {
    const auto& delivery = status.delivery;
    json::key(out, "collector");
    out.StartObject();
    json::put(out, "url", status.collector_url);
    json::put(out, "connected", delivery.connected);
    json::put(out, "last_sent_ms", delivery.last_sent);
    json::put(out, "samples_sent", delivery.samples_sent);
    json::put(out, "trouble", delivery.trouble);
    json::put(out, "spool_samples", delivery.spool.samples);
    json::put(out, "spool_bytes", delivery.spool.bytes);
    json::put(out, "spool_documents", delivery.spool.documents);
    json::put(out, "spool_oldest_ms", delivery.spool.oldest);
    json::put(out, "spool_trouble", delivery.spool.trouble);
    json::key(out, "dropped");
    out.StartObject();
    for (const auto& [reason, samples] : delivery.spool.dropped) {
        json::put(out, reason, samples);
    }
    out.EndObject();
    if (delivery.clock) {
        json::put(out, "clock_offset_seconds", delivery.clock->offset_seconds);
        json::put(out, "clock_offset_error_seconds", delivery.clock->error_seconds);
    }
    json::put(out, "clock_judgement", judgementName(delivery.host_clock.judgement));
    json::put(out, "clock_ahead_seconds", static_cast<double>(delivery.host_clock.wall_ahead_ms) / 1000);
    json::put(out, "spool_aside", delivery.spool.aside);
    out.EndObject();
}

void putProbe(json::Writer& out, const ProbeState& probe) {
    out.StartObject();
    json::put(out, "kind", probe.kind);
    json::put(out, "job", probe.job);
    json::put(out, "instance", probe.instance);
    json::putLabels(out, "labels", probe.labels);
    json::put(out, "state", outcomeName(probe.outcome));
    json::put(out, "reason", probe.reason);
    json::put(out, "message", probe.message);
    json::put(out, "last_ms", probe.at);
    json::put(out, "took_seconds", probe.took_seconds);
    json::put(out, "samples", probe.samples);
    json::put(out, "overdue", probe.overdue);
    out.EndObject();
}

// The agent and the program that reads its status may differ in age: absent members read as 0, false or "".

double number(const json::Value& object, const char* name) {
    return json::number(object, name).value_or(0);
}

std::int64_t wholeNumber(const json::Value& object, const char* name) {
    return static_cast<std::int64_t>(number(object, name));
}

bool flag(const json::Value& object, const char* name) {
    return json::flag(object, name).value_or(false);
}

std::string span(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
    if (whole >= 86400) {
        return fmt::format("{}d {}h", whole / 86400, whole % 86400 / 3600);
    }
    if (whole >= 3600) {
        return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
    }
    if (whole >= 60) {
        return fmt::format("{}m {}s", whole / 60, whole % 60);
    }
    return fmt::format("{}s", whole);
}

std::string ago(double ms, TimestampMs now) {
    return ms == 0 ? "never" : span((static_cast<double>(now) - ms) / 1000) + " ago";
}

std::string took(double seconds) {
    return seconds < 1 ? fmt::format("{:.0f}ms", seconds * 1000) : fmt::format("{:.1f}s", seconds);
}

std::string shown(const json::Value& object, const char* name) {
    return printable(json::text(object, name));
}

void appendCollector(const json::Value& collector, TimestampMs now, std::string& out) {
    const std::string url = shown(collector, "url");
    const std::string trouble = shown(collector, "trouble");
    out += fmt::format("collector  {}  {}  last push {}  queue {}\n", url.empty() ? "none configured" : url,
                       flag(collector, "connected") ? "connected" : "NOT CONNECTED",
                       ago(number(collector, "last_sent_ms"), now), wholeNumber(collector, "spool_samples"));
    if (!trouble.empty()) {
        out += fmt::format("           {}\n", trouble);
    }
    const std::string spool_trouble = shown(collector, "spool_trouble");
    if (!spool_trouble.empty()) {
        out += fmt::format("spool      CANNOT BE WRITTEN  {}\n", spool_trouble);
    }
    for (const auto& [reason, samples] : json::members(json::member(collector, "dropped"))) {
        if (samples.IsInt64() && samples.GetInt64() != 0) {
            out += fmt::format("dropped    {} samples ({})\n", samples.GetInt64(),
                               printable(json::text(reason)));
        }
    }
    if (wholeNumber(collector, "spool_aside") != 0) {
        out += fmt::format("aside      {} samples that the collector refused for their times\n",
                           wholeNumber(collector, "spool_aside"));
    }
    const auto judgement = json::text(collector, "clock_judgement");
    const auto difference =
        clockDifferenceText(static_cast<std::int64_t>(number(collector, "clock_ahead_seconds") * 1000));
    if (judgement == "wrong") {
        out += fmt::format("clock      WRONG, {}: samples carry the collector's time\n", difference);
    } else if (judgement == "disputed") {
        out += fmt::format("clock      {} of the collector's: either may be wrong\n", difference);
    }
    if (json::number(collector, "clock_offset_seconds")) {
        out += fmt::format("clock      {:+.1f}ms from the collector's, give or take {:.1f}ms\n",
                           -number(collector, "clock_offset_seconds") * 1000,
                           number(collector, "clock_offset_error_seconds") * 1000);
    }
}

std::string noteOf(const json::Value& probe) {
    std::string note;
    for (const auto& [name, value] : json::members(json::member(probe, "labels"))) {
        if (value.IsString()) {
            note += json::text(name) + "=" + json::text(value) + " ";
        }
    }
    return note + json::text(probe, "message");
}

/// Returns the number of failing probes.
int appendProbes(const json::Value& probes, TimestampMs now, std::string& out) {
    std::size_t widest = 8;
    for (const auto& probe : json::items(probes)) {
        widest = std::max(widest, json::text(probe, "instance").size());
    }
    out += fmt::format("{:<10} {:<{}}  {:<12} {:>9}  {:>7}  {:>7}  {}\n", "PROBE", "INSTANCE", widest,
                       "STATE", "LAST", "TOOK", "SAMPLES", "NOTE");
    int failing = 0;
    for (const auto& probe : json::items(probes)) {
        std::string state = json::text(probe, "state");
        if (state == "failed") {
            ++failing;
            state = json::text(probe, "reason");
            std::transform(state.begin(), state.end(), state.begin(),
                           [](unsigned char c) { return std::toupper(c); });
        }
        out += fmt::format("{:<10} {:<{}}  {:<12} {:>9}  {:>7}  {:>7}  {}\n", shown(probe, "job"),
                           shown(probe, "instance"), widest, printable(state),
                           ago(number(probe, "last_ms"), now), took(number(probe, "took_seconds")),
                           wholeNumber(probe, "samples"), printable(noteOf(probe)));
    }
    return failing;
}

}  // namespace

std::string statusJson(const AgentStatus& status) {
    const auto& delivery = status.delivery;
    const auto judgement = status.delivery.host_clock.judgement;
    const bool clock_wrong = judgement == ClockJudgement::wrong || judgement == ClockJudgement::disputed;
    bool degraded = !delivery.connected || !delivery.spool.trouble.empty() || clock_wrong;
    for (const auto& probe : status.probes) {
        degraded = degraded || probe.outcome == ProbeState::Outcome::failed;
    }

    json::Writer out;
    out.StartObject();
    json::put(out, "version", status.version);
    json::put(out, "host", status.host);
    json::put(out, "pid", status.pid);
    json::put(out, "running_seconds", status.running_seconds);
    json::put(out, "config_file", status.config_file);
    json::put(out, "degraded", degraded);
    putDelivery(out, status);
    json::key(out, "probes");
    out.StartArray();
    for (const auto& probe : status.probes) {
        putProbe(out, probe);
    }
    out.EndArray();
    json::key(out, "peers");
    out.StartArray();
    for (const auto& [peer, ports, answered] : status.peers) {
        out.StartObject();
        json::put(out, "host", peer.host);
        json::put(out, "address", peer.address);
        json::put(out, "control_port", peer.control_port);
        json::put(out, "discovered", peer.discovered);
        json::put(out, "ports", ports);
        json::put(out, "answered", answered);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
    return out.text();
}

Expected<StatusText> statusText(const std::string& answer, TimestampMs now) {
    const auto root = json::parse(answer);
    if (!root.IsObject()) {
        return fail(ErrorKind::protocol, "the agent's answer is not a status");
    }
    StatusText status;
    status.degraded = flag(root, "degraded");
    auto& out = status.text;
    out = fmt::format("lapwing-agent {}  {}  running {}  pid {}  {}\n", shown(root, "version"),
                      shown(root, "host"), span(number(root, "running_seconds")), wholeNumber(root, "pid"),
                      shown(root, "config_file"));
    if (const auto& collector = json::member(root, "collector"); collector.IsObject()) {
        appendCollector(collector, now, out);
    }
    const auto& probes = json::member(root, "probes");
    const int failing = probes.IsArray() ? appendProbes(probes, now, out) : 0;
    for (const auto& peer : json::items(json::member(root, "peers"))) {
        out += fmt::format("peer       {} {}  {}  {} of {} ports answered\n", shown(peer, "host"),
                           shown(peer, "address"),
                           flag(peer, "discovered") ? "joined the collector" : "configured",
                           wholeNumber(peer, "answered"), wholeNumber(peer, "ports"));
    }
    if (failing > 0) {
        out += fmt::format("{} probe{} failing\n", failing, failing == 1 ? "" : "s");
    }
    return status;
}

}  // namespace lapwing::agent
