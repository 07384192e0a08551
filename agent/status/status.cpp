#include "agent/status/status.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

namespace lapwing::agent {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

class Object {
  public:
    explicit Object(Writer& writer) : writer_(writer) { writer_.StartObject(); }
    ~Object() { writer_.EndObject(); }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

  private:
    Writer& writer_;
};

void put(Writer& writer, const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}
void put(Writer& writer, const char* key, std::int64_t value) {
    writer.Key(key);
    writer.Int64(value);
}
void put(Writer& writer, const char* key, double value) {
    writer.Key(key);
    writer.Double(value);
}
void put(Writer& writer, const char* key, bool value) {
    writer.Key(key);
    writer.Bool(value);
}

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

void putDelivery(Writer& writer, const AgentStatus& status) {
    const auto& delivery = status.delivery;
    writer.Key("collector");
    const Object object(writer);
    put(writer, "url", status.collector_url);
    put(writer, "connected", delivery.connected);
    put(writer, "last_sent_ms", delivery.last_sent);
    put(writer, "samples_sent", delivery.samples_sent);
    put(writer, "trouble", delivery.trouble);
    put(writer, "spool_samples", delivery.spool.samples);
    put(writer, "spool_bytes", delivery.spool.bytes);
    put(writer, "spool_documents", delivery.spool.documents);
    put(writer, "spool_oldest_ms", delivery.spool.oldest);
    put(writer, "spool_trouble", delivery.spool.trouble);
    writer.Key("dropped");
    {
        const Object dropped(writer);
        for (const auto& [reason, samples] : delivery.spool.dropped) {
            put(writer, reason.c_str(), samples);
        }
    }
    if (!delivery.clock) {
        return;
    }
    put(writer, "clock_offset_seconds", delivery.clock->offset_seconds);
    put(writer, "clock_offset_error_seconds", delivery.clock->error_seconds);
}

void putProbe(Writer& writer, const ProbeState& probe) {
    const Object object(writer);
    put(writer, "job", probe.job);
    put(writer, "instance", probe.instance);
    writer.Key("labels");
    {
        const Object labels(writer);
        for (const auto& label : probe.labels) {
            put(writer, label.name.c_str(), label.value);
        }
    }
    put(writer, "state", std::string(outcomeName(probe.outcome)));
    put(writer, "reason", probe.reason);
    put(writer, "message", probe.message);
    put(writer, "last_ms", probe.at);
    put(writer, "took_seconds", probe.took_seconds);
    put(writer, "samples", static_cast<std::int64_t>(probe.samples));
    put(writer, "overdue", probe.overdue);
}

/// Reads members that may be absent or of another type without failing: the two programs may differ in age.
class View {
  public:
    explicit View(const rapidjson::Value& value) : value_(value) {}
    std::string text(const char* key) const {
        const auto* member = find(key);
        return member != nullptr && member->IsString()
                   ? std::string(member->GetString(), member->GetStringLength())
                   : "";
    }
    double number(const char* key) const {
        const auto* member = find(key);
        return member != nullptr && member->IsNumber() ? member->GetDouble() : 0;
    }
    bool flag(const char* key) const {
        const auto* member = find(key);
        return member != nullptr && member->IsBool() && member->GetBool();
    }
    bool has(const char* key) const { return find(key) != nullptr; }
    const rapidjson::Value* find(const char* key) const {
        if (!value_.IsObject()) {
            return nullptr;
        }
        const auto member = value_.FindMember(key);
        return member == value_.MemberEnd() ? nullptr : &member->value;
    }

  private:
    const rapidjson::Value& value_;
};

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

// What others wrote must not move the cursor or colour the terminal.
std::string printable(std::string text) {
    for (auto& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            c = ' ';
        }
    }
    return text;
}

void appendCollector(const View& collector, TimestampMs now, std::string& out) {
    const std::string url = collector.text("url");
    const std::string trouble = collector.text("trouble");
    out += fmt::format("collector  {}  {}  last push {}  queue {}\n",
                       url.empty() ? "none configured" : printable(url),
                       collector.flag("connected") ? "connected" : "NOT CONNECTED",
                       ago(collector.number("last_sent_ms"), now),
                       static_cast<std::int64_t>(collector.number("spool_samples")));
    if (!trouble.empty()) {
        out += fmt::format("           {}\n", printable(trouble));
    }
    const std::string spool_trouble = collector.text("spool_trouble");
    if (!spool_trouble.empty()) {
        out += fmt::format("spool      CANNOT BE WRITTEN  {}\n", printable(spool_trouble));
    }
    const auto* dropped = collector.find("dropped");
    if (dropped != nullptr && dropped->IsObject()) {
        for (const auto& member : dropped->GetObject()) {
            if (!member.value.IsInt64() || member.value.GetInt64() == 0) {
                continue;
            }
            out += fmt::format("dropped    {} samples ({})\n", member.value.GetInt64(),
                               printable(member.name.GetString()));
        }
    }
    if (collector.has("clock_offset_seconds")) {
        out += fmt::format("clock      {:+.1f}ms from the collector's, give or take {:.1f}ms\n",
                           -collector.number("clock_offset_seconds") * 1000,
                           collector.number("clock_offset_error_seconds") * 1000);
    }
}

}  // namespace

std::string statusJson(const AgentStatus& status) {
    const auto& delivery = status.delivery;
    bool degraded = !delivery.connected || !delivery.spool.trouble.empty();
    for (const auto& probe : status.probes) {
        degraded = degraded || probe.outcome == ProbeState::Outcome::failed;
    }

    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    {
        const Object root(writer);
        put(writer, "version", status.version);
        put(writer, "host", status.host);
        put(writer, "pid", static_cast<std::int64_t>(status.pid));
        put(writer, "running_seconds", status.running_seconds);
        put(writer, "config_file", status.config_file);
        put(writer, "degraded", degraded);
        putDelivery(writer, status);
        writer.Key("probes");
        writer.StartArray();
        for (const auto& probe : status.probes) {
            putProbe(writer, probe);
        }
        writer.EndArray();
    }
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<StatusText> statusText(const std::string& json, TimestampMs now) {
    rapidjson::Document document;
    document.Parse(json.data(), json.size());
    if (document.HasParseError() || !document.IsObject()) {
        return fail(ErrorKind::protocol, "the agent's answer is not a status");
    }
    const View root(document);
    StatusText status;
    status.degraded = root.flag("degraded");
    auto& out = status.text;
    out = fmt::format("lapwing-agent {}  {}  running {}  pid {}  {}\n", printable(root.text("version")),
                      printable(root.text("host")), span(root.number("running_seconds")),
                      static_cast<std::int64_t>(root.number("pid")), printable(root.text("config_file")));
    if (const auto* collector = root.find("collector")) {
        appendCollector(View(*collector), now, out);
    }

    const auto* probes = root.find("probes");
    if (probes == nullptr || !probes->IsArray()) {
        return status;
    }
    std::size_t widest = 8;
    for (const auto& value : probes->GetArray()) {
        widest = std::max(widest, View(value).text("instance").size());
    }
    out += fmt::format("{:<10} {:<{}}  {:<12} {:>9}  {:>7}  {:>7}  {}\n", "PROBE", "INSTANCE", widest,
                       "STATE", "LAST", "TOOK", "SAMPLES", "NOTE");
    int problems = 0;
    for (const auto& value : probes->GetArray()) {
        const View probe(value);
        std::string state = probe.text("state");
        std::string note;
        if (const auto* labels = probe.find("labels"); labels != nullptr && labels->IsObject()) {
            for (const auto& label : labels->GetObject()) {
                if (label.value.IsString()) {
                    note += fmt::format("{}={} ", label.name.GetString(), label.value.GetString());
                }
            }
        }
        if (state == "failed") {
            ++problems;
            state = probe.text("reason");
            std::transform(state.begin(), state.end(), state.begin(),
                           [](unsigned char c) { return std::toupper(c); });
        }
        note += probe.text("message");
        out += fmt::format("{:<10} {:<{}}  {:<12} {:>9}  {:>7}  {:>7}  {}\n", printable(probe.text("job")),
                           printable(probe.text("instance")), widest, printable(state),
                           ago(probe.number("last_ms"), now), took(probe.number("took_seconds")),
                           static_cast<std::int64_t>(probe.number("samples")), printable(note));
    }
    if (problems > 0) {
        out += fmt::format("{} probe{} failing\n", problems, problems == 1 ? "" : "s");
    }
    return status;
}

}  // namespace lapwing::agent
