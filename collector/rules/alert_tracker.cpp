#include "collector/rules/alert_tracker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/model/labels_json.h"

namespace lapwing::rules {
namespace {

/// A value may be NaN or infinite, which only this file writes and reads.
using NanWriter = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                    rapidjson::CrtAllocator, rapidjson::kWriteNanAndInfFlag>;

// Prometheus' default of rules.alert.for-outage-tolerance: a pending alert does not continue after a longer
// gap.
constexpr std::int64_t kOutageToleranceMs = 3'600'000;

notify::Alert toNotification(const TrackedAlert& alert, TimestampMs ends_at,
                             const std::string& generator_url) {
    return {alert.labels, alert.annotations, alert.resolved_at == 0, alert.fired_at, ends_at, generator_url};
}

}  // namespace

bool AlertTracker::vanish(TrackedAlert& alert, Absence absence, TimestampMs now,
                          const AlertTimes& times) const {
    if (absence != Absence::ended) {
        const auto hold_ms = absence == Absence::silent ? times.hold_silent_ms : times.hold_partial_ms;
        const TimestampMs since = alert.unknown_since.value_or(now);
        const TimestampMs until = since + hold_ms;
        if (now < until) {
            const bool changed = alert.held_until != until;
            alert.unknown_since = since;
            alert.held_until = until;
            return changed;
        }
    }
    alert.unknown_since.reset();
    alert.held_until.reset();
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
                          const Explain& explain) {
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
        alert.held_until.reset();
        if (alert.state == AlertState::pending && now - alert.active_at >= times.for_ms) {
            alert.state = AlertState::firing;
            alert.fired_at = now;
            changed = true;
        }
        present.insert(&alert);
    }
    std::vector<const TrackedAlert*> vanished;
    for (const auto& [labels, alert] : alerts_) {
        if (present.count(&alert) == 0 && alert.state != AlertState::inactive) {
            vanished.push_back(&alert);
        }
    }
    const auto absences = vanished.empty() ? std::vector<Absence>() : explain(vanished);
    for (std::size_t i = 0; i < vanished.size(); ++i) {
        auto& alert = alerts_.at(vanished[i]->labels);
        changed = vanish(alert, absences.at(i), now, times) || changed;
    }
    const auto erased = std::erase_if(alerts_, [&](const auto& entry) {
        const auto& alert = entry.second;
        return alert.state == AlertState::inactive &&
               (alert.resolved_at == 0 || now - alert.resolved_at > times.resolved_retention_ms);
    });
    return changed || erased > 0;
}

void AlertTracker::shiftTimes(std::int64_t jump_ms) {
    for (auto& [labels, alert] : alerts_) {
        for (auto* time :
             {&alert.active_at, &alert.fired_at, &alert.resolved_at, &alert.last_true, &alert.last_sent}) {
            *time += *time != 0 ? jump_ms : 0;
        }
        for (auto* time : {&alert.keep_firing_since, &alert.unknown_since, &alert.held_until}) {
            if (*time) {
                **time += jump_ms;
            }
        }
    }
    if (restored_at_) {
        *restored_at_ += jump_ms;
    }
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
                       alert.held_until,
                       {}});
    }
    return out;
}

std::string AlertTracker::save(TimestampMs evaluated_at, const std::string& query) const {
    if (alerts_.empty()) {
        return "";
    }
    rapidjson::StringBuffer buffer;
    NanWriter writer(buffer);
    writer.StartObject();
    json::put(writer, "evaluated_at", evaluated_at);
    json::put(writer, "query", query);
    json::key(writer, "alerts");
    writer.StartArray();
    for (const auto& [labels, alert] : alerts_) {
        writer.StartObject();
        json::putLabels(writer, "labels", alert.labels);
        json::putLabels(writer, "annotations", alert.annotations);
        json::putLabels(writer, "source", alert.source);
        json::put(writer, "state", alertStateName(alert.state));
        json::key(writer, "value");
        writer.Double(alert.value);
        const std::pair<const char*, std::optional<TimestampMs>> times[] = {
            {"active_at", alert.active_at},
            {"fired_at", alert.fired_at},
            {"resolved_at", alert.resolved_at},
            {"last_true", alert.last_true},
            {"keep_firing_since", alert.keep_firing_since},
            {"unknown_since", alert.unknown_since},
            {"held_until", alert.held_until}};
        for (const auto& [name, time] : times) {
            if (time && *time != 0) {
                json::put(writer, name, *time);
            }
        }
        writer.EndObject();
    }
    writer.EndArray();
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

std::optional<std::string> AlertTracker::savedQuery(const std::string& saved) {
    json::Document document;
    document.Parse<rapidjson::kParseNanAndInfFlag>(saved.data(), saved.size());
    if (document.HasParseError() || !document.IsObject()) {
        return std::nullopt;
    }
    const auto& query = json::member(document, "query");
    return query.IsString() ? std::optional(json::text(query)) : std::nullopt;
}

Expected<void> AlertTracker::restore(const std::string& saved) {
    if (saved.empty()) {
        return {};
    }
    json::Document document;
    document.Parse<rapidjson::kParseNanAndInfFlag>(saved.data(), saved.size());
    const auto unusable = [] {
        return fail(ErrorKind::invalid, "restoring alert states: the saved state is malformed");
    };
    if (document.HasParseError() || !document.IsObject()) {
        return unusable();
    }
    const auto& alerts = json::member(document, "alerts");
    const auto evaluated_at = json::integer(document, "evaluated_at");
    if (!alerts.IsArray() || !evaluated_at) {
        return unusable();
    }
    std::map<Labels, TrackedAlert> read;
    for (const auto& entry : alerts.GetArray()) {
        const auto& state = json::member(entry, "state");
        const auto value = json::number(entry, "value");
        if (!state.IsString() || !value) {
            return unusable();
        }
        TrackedAlert alert;
        alert.labels = json::readLabels(entry, "labels");
        alert.annotations = json::readLabels(entry, "annotations");
        alert.source = json::readLabels(entry, "source");
        const std::string name = json::text(state);
        for (const auto known : {AlertState::inactive, AlertState::pending, AlertState::firing}) {
            if (name == alertStateName(known)) {
                alert.state = known;
            }
        }
        alert.value = *value;
        alert.active_at = json::integer(entry, "active_at").value_or(0);
        alert.fired_at = json::integer(entry, "fired_at").value_or(0);
        alert.resolved_at = json::integer(entry, "resolved_at").value_or(0);
        alert.last_true = json::integer(entry, "last_true").value_or(0);
        alert.keep_firing_since = json::integer(entry, "keep_firing_since");
        alert.unknown_since = json::integer(entry, "unknown_since");
        alert.held_until = json::integer(entry, "held_until");
        read.emplace(alert.labels, std::move(alert));
    }
    alerts_ = std::move(read);
    restored_at_ = evaluated_at;
    return {};
}

}  // namespace lapwing::rules
