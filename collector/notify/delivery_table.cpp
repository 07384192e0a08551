#include "collector/notify/delivery_table.h"

#include <algorithm>
#include <utility>

#include "common/model/labels_json.h"

namespace lapwing::notify {
namespace {

// Least validity of an alert, for senders without a usable end and after a restart: Prometheus' 4 x the
// resend delay, rounded up.
constexpr std::int64_t kLeastValidityMs = 300'000;
// A notification that waited for a day is dropped: it is of no use by then, and the queue must stay
// bounded.
constexpr std::int64_t kMostWaitingMs = 86'400'000;
// Rules end one after the other: an alert and an alert that it inhibited end together within this time.
constexpr std::int64_t kTogetherMs = 5000;

}  // namespace

bool Notification::firing() const {
    return std::any_of(alerts.begin(), alerts.end(), [](const Alert& alert) { return alert.firing; });
}

bool DeliveryTable::hasNews(const Entry& entry) const {
    return entry.sent != (entry.alert.firing ? Sent::firing : Sent::resolved);
}

Labels DeliveryTable::groupOf(const Entry& entry) const {
    if (options_.group_by_all) {
        return entry.alert.labels;
    }
    Labels out;
    for (const auto& name : options_.group_by) {
        out.set(name, entry.alert.labels.get(name));
    }
    return out;
}

std::optional<TimestampMs> DeliveryTable::dueAt(const Entry& entry, TimestampMs group_sent_at) const {
    if (entry.muted()) {
        return std::nullopt;
    }
    if (hasNews(entry)) {
        const TimestampMs gathered = entry.news_at + options_.gather_ms;
        if (group_sent_at == 0) {
            return std::max(gathered, entry.news_at + options_.group_wait_ms);
        }
        return std::max(gathered, group_sent_at + options_.group_interval_ms);
    }
    if (entry.alert.firing) {
        return entry.sent_at + options_.repeat_ms;
    }
    return std::nullopt;
}

std::map<Labels, TimestampMs> DeliveryTable::dueGroups() const {
    std::map<Labels, TimestampMs> sent;
    for (const auto& [labels, entry] : entries_) {
        auto& at = sent[groupOf(entry)];
        at = std::max(at, entry.sent_at);
    }
    std::map<Labels, TimestampMs> due;
    for (const auto& [labels, entry] : entries_) {
        const auto group = groupOf(entry);
        const auto at = dueAt(entry, sent[group]);
        if (!at) {
            continue;
        }
        const auto [known, fresh] = due.emplace(group, *at);
        if (!fresh) {
            known->second = std::min(known->second, *at);
        }
    }
    return due;
}

bool DeliveryTable::put(const Alert& alert, TimestampMs now) {
    const auto known = entries_.find(alert.labels);
    if (!alert.firing) {
        if (known == entries_.end() || !known->second.alert.firing) {
            return false;
        }
        Entry& entry = known->second;
        entry.alert = alert;
        entry.news_at = now;
        const bool unsent =
            entry.sent == Sent::nothing && entry.unmuted_at != 0 && now - entry.unmuted_at < kTogetherMs;
        if (unsent || !options_.send_resolved) {
            entries_.erase(known);
        }
        return true;
    }
    const std::int64_t holds_ms = std::max(alert.ends_at - now, kLeastValidityMs);
    if (known == entries_.end()) {
        entries_.emplace(alert.labels,
                         Entry{alert, Sent::nothing, 0, now, now + holds_ms, holds_ms, false, false, 0});
        return true;
    }
    Entry& entry = known->second;
    const bool again = !entry.alert.firing || entry.alert.starts_at != alert.starts_at;
    entry.alert = alert;
    entry.holds_until = now + holds_ms;
    entry.holds_ms = holds_ms;
    if (!again) {
        return false;
    }
    entry.sent = Sent::nothing;
    entry.news_at = now;
    return true;
}

bool DeliveryTable::lapse(TimestampMs now) {
    bool changed = false;
    for (auto it = entries_.begin(); it != entries_.end();) {
        Entry& entry = it->second;
        bool gone = false;
        if (entry.alert.firing && now > entry.holds_until) {
            entry.alert.firing = false;
            entry.alert.ends_at = now;
            entry.news_at = now;
            changed = true;
            gone = !options_.send_resolved;
        }
        if (!entry.alert.firing && now - entry.news_at > kMostWaitingMs) {
            changed = gone = true;
        }
        it = gone ? entries_.erase(it) : std::next(it);
    }
    return changed;
}

bool DeliveryTable::mute(const std::function<bool(const Labels&)>& silenced,
                         const std::vector<InhibitRule>& inhibit, TimestampMs now) {
    std::vector<const Labels*> firing;
    for (const auto& [labels, entry] : entries_) {
        if (entry.alert.firing) {
            firing.push_back(&labels);
        }
    }
    bool changed = false;
    for (auto it = entries_.begin(); it != entries_.end();) {
        Entry& entry = it->second;
        const bool was_muted = entry.muted();
        const bool is_silenced = silenced(it->first);
        const bool unsilenced = entry.silenced && !is_silenced;
        const bool is_inhibited = !inhibitors(inhibit, it->first, firing).empty();
        changed = changed || is_silenced != entry.silenced || is_inhibited != entry.inhibited;
        entry.silenced = is_silenced;
        entry.inhibited = is_inhibited;
        if (unsilenced && entry.alert.firing) {
            entry.sent = Sent::nothing;
        }
        if (was_muted && !entry.muted()) {
            entry.unmuted_at = now;
            if (hasNews(entry)) {
                entry.news_at = now;
            }
        }
        const bool unsent = entry.muted() && !entry.alert.firing && entry.sent == Sent::nothing;
        changed = changed || unsent;
        it = unsent ? entries_.erase(it) : std::next(it);
    }
    return changed;
}

std::optional<Notification> DeliveryTable::due(TimestampMs now) const {
    const auto groups = dueGroups();
    const auto oldest = std::min_element(groups.begin(), groups.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (oldest == groups.end() || oldest->second > now) {
        return std::nullopt;
    }
    Notification out;
    out.group = oldest->first;
    for (const bool firing : {true, false}) {
        for (const auto& [labels, entry] : entries_) {
            if (!entry.muted() && entry.alert.firing == firing && groupOf(entry) == out.group) {
                out.alerts.push_back(entry.alert);
            }
        }
    }
    return out;
}

std::optional<TimestampMs> DeliveryTable::nextDue(TimestampMs now) const {
    std::optional<TimestampMs> next;
    for (const auto& [group, at] : dueGroups()) {
        if (!next || at < *next) {
            next = std::max(at, now);
        }
    }
    return next;
}

void DeliveryTable::accept(const Notification& notification, TimestampMs now) {
    for (const auto& alert : notification.alerts) {
        const auto known = entries_.find(alert.labels);
        if (known == entries_.end()) {
            continue;
        }
        Entry& entry = known->second;
        // The alert may have ended or begun again since: then another notification is due.
        if (entry.alert.firing == alert.firing && entry.alert.starts_at == alert.starts_at) {
            if (!alert.firing) {
                entries_.erase(known);
                continue;
            }
            entry.sent = Sent::firing;
        } else if (alert.firing && entry.alert.starts_at == alert.starts_at) {
            entry.sent = Sent::firing;
        }
        entry.sent_at = now;
    }
}

std::size_t DeliveryTable::waiting() const {
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return !entry.second.muted() && hasNews(entry.second);
    }));
}

std::string DeliveryTable::save() const {
    json::Writer writer;
    writer.StartArray();
    for (const auto& [labels, entry] : entries_) {
        writer.StartObject();
        json::putLabels(writer, "labels", entry.alert.labels);
        json::putLabels(writer, "annotations", entry.alert.annotations);
        json::put(writer, "generator_url", entry.alert.generator_url);
        json::put(writer, "firing", entry.alert.firing ? 1 : 0);
        json::put(writer, "starts_at", entry.alert.starts_at);
        json::put(writer, "ends_at", entry.alert.ends_at);
        json::put(writer, "told", static_cast<int>(entry.sent));
        json::put(writer, "told_at", entry.sent_at);
        json::put(writer, "news_at", entry.news_at);
        json::put(writer, "holds_ms", entry.holds_ms);
        json::put(writer, "silenced", entry.silenced ? 1 : 0);
        json::put(writer, "inhibited", entry.inhibited ? 1 : 0);
        writer.EndObject();
    }
    writer.EndArray();
    return writer.text();
}

Expected<void> DeliveryTable::restore(const std::string& saved, TimestampMs now) {
    const auto document = json::parse(saved);
    if (!document.IsArray()) {
        return fail(ErrorKind::invalid, "restoring notifications: the saved state is malformed");
    }
    for (const auto& value : document.GetArray()) {
        if (!value.IsObject()) {
            continue;
        }
        Entry entry;
        entry.alert.labels = json::readLabels(value, "labels");
        entry.alert.annotations = json::readLabels(value, "annotations");
        entry.alert.generator_url = json::text(value, "generator_url");
        const auto number = [&](const char* name) { return json::integer(value, name).value_or(0); };
        entry.alert.firing = number("firing") != 0;
        entry.alert.starts_at = number("starts_at");
        entry.alert.ends_at = number("ends_at");
        entry.sent = static_cast<Sent>(std::clamp<std::int64_t>(number("told"), 0, 2));
        entry.sent_at = number("told_at");
        entry.news_at = number("news_at");
        // After a restart, rules get time to confirm the alert, however long the collector was down. A rule
        // with a long interval gave a longer validity.
        entry.holds_ms = std::max(number("holds_ms"), kLeastValidityMs);
        entry.holds_until = now + entry.holds_ms;
        entry.silenced = number("silenced") != 0;
        entry.inhibited = number("inhibited") != 0;
        entries_.emplace(entry.alert.labels, std::move(entry));
    }
    return {};
}

}  // namespace lapwing::notify
