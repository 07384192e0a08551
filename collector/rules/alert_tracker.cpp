#include "collector/rules/alert_tracker.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <set>
#include <utility>

namespace lapwing::rules {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                     rapidjson::CrtAllocator, rapidjson::kWriteNanAndInfFlag>;

// Prometheus' default of rules.alert.for-outage-tolerance: a pending alert is not continued after a longer
// gap.
constexpr std::int64_t kOutageToleranceMs = 3'600'000;

void writeLabels(JsonWriter& writer, const char* key, const Labels& labels) {
    writer.Key(key);
    writer.StartObject();
    for (const auto& label : labels) {
        writer.Key(label.name.data(), static_cast<rapidjson::SizeType>(label.name.size()));
        writer.String(label.value.data(), static_cast<rapidjson::SizeType>(label.value.size()));
    }
    writer.EndObject();
}

const rapidjson::Value* find(const rapidjson::Value& object, const char* key) {
    return object.HasMember(key) ? &object[key] : nullptr;
}

Labels readLabels(const rapidjson::Value& object, const char* key) {
    std::vector<Label> out;
    const auto* found = find(object, key);
    if (found == nullptr || !found->IsObject()) {
        return {};
    }
    for (const auto& member : found->GetObject()) {
        if (!member.value.IsString()) {
            continue;
        }
        out.push_back({{member.name.GetString(), member.name.GetStringLength()},
                       {member.value.GetString(), member.value.GetStringLength()}});
    }
    return Labels(std::move(out));
}

std::optional<TimestampMs> readTime(const rapidjson::Value& object, const char* key) {
    const auto* found = find(object, key);
    if (found == nullptr || !found->IsInt64()) {
        return std::nullopt;
    }
    return found->GetInt64();
}

notify::Alert toNotification(const TrackedAlert& alert, TimestampMs ends_at,
                             const std::string& generator_url) {
    return {alert.labels, alert.annotations, alert.resolved_at == 0, alert.fired_at, ends_at, generator_url};
}

}  // namespace

bool AlertTracker::vanish(TrackedAlert& alert, TimestampMs now, const AlertTimes& times,
                          const Missing& missing) const {
    if (alert.state == AlertState::inactive) {
        return false;
    }
    const bool held_too_long = alert.unknown_since && now - *alert.unknown_since >= times.hold_missing_ms;
    if (!held_too_long && missing(alert)) {
        const bool changed = !alert.unknown_since;
        if (changed) {
            alert.unknown_since = now;
        }
        return changed;
    }
    alert.unknown_since.reset();
    if (alert.state == AlertState::firing && times.keep_firing_for_ms > 0) {
        const bool begins = !alert.keep_firing_since;
        if (begins) {
            alert.keep_firing_since = now;
        }
        if (now - *alert.keep_firing_since < times.keep_firing_for_ms) {
            return begins;
        }
    }
    if (alert.state == AlertState::firing) {
        alert.resolved_at = now;
    }
    alert.state = AlertState::inactive;
    return true;
}

void AlertTracker::dropStalePending(TimestampMs now) {
    if (restored_at_ && now - *restored_at_ > kOutageToleranceMs) {
        std::erase_if(alerts_, [](const auto& entry) { return entry.second.state == AlertState::pending; });
    }
    restored_at_.reset();
}

bool AlertTracker::update(TimestampMs now, std::vector<AlertCandidate> candidates, const AlertTimes& times,
                          const Missing& missing) {
    dropStalePending(now);
    bool changed = false;
    std::set<const TrackedAlert*> present;
    for (auto& candidate : candidates) {
        auto& alert = alerts_[candidate.labels];
        if (alert.active_at == 0 || alert.state == AlertState::inactive) {
            alert = TrackedAlert{};
            alert.labels = std::move(candidate.labels);
            alert.active_at = now;
            changed = true;
        }
        alert.annotations = std::move(candidate.annotations);
        alert.source = std::move(candidate.source);
        alert.value = candidate.value;
        alert.last_true = now;
        changed = changed || alert.keep_firing_since || alert.unknown_since;
        alert.keep_firing_since.reset();
        alert.unknown_since.reset();
        if (alert.state == AlertState::pending && now - alert.active_at >= times.for_ms) {
            alert.state = AlertState::firing;
            alert.fired_at = now;
            changed = true;
        }
        present.insert(&alert);
    }
    for (auto& [labels, alert] : alerts_) {
        if (present.count(&alert) == 0 && vanish(alert, now, times, missing)) {
            changed = true;
        }
    }
    const auto erased = std::erase_if(alerts_, [&](const auto& entry) {
        const auto& alert = entry.second;
        return alert.state == AlertState::inactive &&
               (alert.resolved_at == 0 || now - alert.resolved_at > times.resolved_retention_ms);
    });
    return changed || erased > 0;
}

std::vector<notify::Alert> AlertTracker::due(TimestampMs now, std::int64_t resend_delay_ms,
                                             std::int64_t valid_ms, const std::string& generator_url) {
    std::vector<notify::Alert> out;
    for (auto& [labels, alert] : alerts_) {
        if (alert.state == AlertState::pending) {
            continue;
        }
        if (alert.resolved_at <= alert.last_sent && now - alert.last_sent < resend_delay_ms) {
            continue;
        }
        alert.last_sent = now;
        out.push_back(toNotification(alert, alert.resolved_at != 0 ? alert.resolved_at : now + valid_ms,
                                     generator_url));
    }
    return out;
}

std::vector<notify::Alert> AlertTracker::resolveAll(TimestampMs now, const std::string& generator_url) const {
    std::vector<notify::Alert> out;
    for (const auto& [labels, alert] : alerts_) {
        if (alert.state != AlertState::firing) {
            continue;
        }
        auto resolved = alert;
        resolved.resolved_at = now;
        out.push_back(toNotification(resolved, now, generator_url));
    }
    return out;
}

std::vector<TimeSeries> AlertTracker::series(TimestampMs now) const {
    std::vector<TimeSeries> out;
    for (const auto& [labels, alert] : alerts_) {
        if (alert.state == AlertState::inactive) {
            continue;
        }
        Labels state = alert.labels;
        state.set("__name__", "ALERTS");
        state.set("alertstate", alertStateName(alert.state));
        out.push_back({std::move(state), {{now, 1}}});
        Labels for_state = alert.labels;
        for_state.set("__name__", "ALERTS_FOR_STATE");
        const std::int64_t active_since_s = alert.active_at / 1000;
        out.push_back({std::move(for_state), {{now, static_cast<double>(active_since_s)}}});
    }
    return out;
}

std::vector<AlertStatus> AlertTracker::active() const {
    std::vector<AlertStatus> out;
    for (const auto& [labels, alert] : alerts_) {
        if (alert.state == AlertState::inactive) {
            continue;
        }
        out.push_back({alert.labels,
                       alert.annotations,
                       alert.state,
                       alert.active_at,
                       alert.value,
                       alert.keep_firing_since,
                       alert.unknown_since,
                       {}});
    }
    return out;
}

std::string AlertTracker::save(TimestampMs evaluated_at) const {
    if (alerts_.empty()) {
        return "";
    }
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartObject();
    writer.Key("evaluated_at");
    writer.Int64(evaluated_at);
    writer.Key("alerts");
    writer.StartArray();
    for (const auto& [labels, alert] : alerts_) {
        writer.StartObject();
        writeLabels(writer, "labels", alert.labels);
        writeLabels(writer, "annotations", alert.annotations);
        writeLabels(writer, "source", alert.source);
        writer.Key("state");
        writer.String(alertStateName(alert.state));
        writer.Key("value");
        writer.Double(alert.value);
        const std::pair<const char*, std::optional<TimestampMs>> times[] = {
            {"active_at", alert.active_at},
            {"fired_at", alert.fired_at},
            {"resolved_at", alert.resolved_at},
            {"last_true", alert.last_true},
            {"keep_firing_since", alert.keep_firing_since},
            {"unknown_since", alert.unknown_since}};
        for (const auto& [key, time] : times) {
            if (!time || *time == 0) {
                continue;
            }
            writer.Key(key);
            writer.Int64(*time);
        }
        writer.EndObject();
    }
    writer.EndArray();
    writer.EndObject();
    return buffer.GetString();
}

Expected<void> AlertTracker::restore(const std::string& saved) {
    if (saved.empty()) {
        return {};
    }
    rapidjson::Document document;
    document.Parse<rapidjson::kParseNanAndInfFlag>(saved.data(), saved.size());
    const auto unusable = [] {
        return fail(ErrorKind::invalid, "restoring alert states: not what was saved");
    };
    if (document.HasParseError() || !document.IsObject()) {
        return unusable();
    }
    const auto* alerts = find(document, "alerts");
    const auto evaluated_at = readTime(document, "evaluated_at");
    if (alerts == nullptr || !alerts->IsArray() || !evaluated_at) {
        return unusable();
    }
    std::map<Labels, TrackedAlert> read;
    for (const auto& entry : alerts->GetArray()) {
        if (!entry.IsObject()) {
            return unusable();
        }
        const auto* state = find(entry, "state");
        const auto* value = find(entry, "value");
        if (state == nullptr || !state->IsString() || value == nullptr || !value->IsNumber()) {
            return unusable();
        }
        TrackedAlert alert;
        alert.labels = readLabels(entry, "labels");
        alert.annotations = readLabels(entry, "annotations");
        alert.source = readLabels(entry, "source");
        const std::string name = state->GetString();
        for (const auto known : {AlertState::inactive, AlertState::pending, AlertState::firing}) {
            if (name == alertStateName(known)) {
                alert.state = known;
            }
        }
        alert.value = value->GetDouble();
        alert.active_at = readTime(entry, "active_at").value_or(0);
        alert.fired_at = readTime(entry, "fired_at").value_or(0);
        alert.resolved_at = readTime(entry, "resolved_at").value_or(0);
        alert.last_true = readTime(entry, "last_true").value_or(0);
        alert.keep_firing_since = readTime(entry, "keep_firing_since");
        alert.unknown_since = readTime(entry, "unknown_since");
        read.emplace(alert.labels, std::move(alert));
    }
    alerts_ = std::move(read);
    restored_at_ = evaluated_at;
    return {};
}

}  // namespace lapwing::rules
