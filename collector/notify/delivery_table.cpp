#include "collector/notify/delivery_table.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "collector/notify/payload.h"
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
// In a burst of new critical alerts of one group, notifications come 1, 4, 16 and then 60 s after each other:
// 200 hosts that fail within a minute make five.
constexpr std::int64_t kUrgentPauseMs = 1000;
constexpr std::int64_t kUrgentGrowth = 4;
constexpr std::int64_t kMostUrgentPauseMs = 60'000;
// A refused message is tried thrice, since its content does not change. A receiver that takes nothing gets
// five minutes, for a deployment or a corrected token.
constexpr int kMostRefusals = 3;
constexpr int kMostDenials = 10;
// While the alert fires, a message that was given up is offered again: the receiver may have been mended.
constexpr std::int64_t kOfferAgainMs = 3'600'000;
// No receiver may ask for a longer pause; a later time comes from a clock that was set.
constexpr std::int64_t kMostPauseMs = 300'000;

/// A time that has passed; a later one comes from a clock that was set.
TimestampMs pastOf(TimestampMs at, TimestampMs now) {
    return at <= now + kMostPauseMs ? at : now;
}

}  // namespace

std::int64_t retryPause(std::int64_t first_ms, std::int64_t most_ms, int failures) {
    return std::min(first_ms << std::min(std::max(failures, 1) - 1, 20), most_ms);
}

bool Notification::firing() const {
    return std::any_of(alerts.begin(), alerts.end(), [](const Alert& alert) { return alert.firing; });
}

bool DeliveryTable::hasNews(const Entry& entry) const {
    if (!entry.alert.firing && !options_.send_resolved) {
        return false;
    }
    if (!entry.routed && (entry.alert.firing || entry.sent != Sent::firing)) {
        return false;
    }
    return entry.sent != (entry.alert.firing ? Sent::firing : Sent::resolved);
}

/// An alert that is over and not for this receiver, which knows nothing of it.
bool DeliveryTable::isDropped(const Entry& entry) const {
    return !entry.routed && !entry.alert.firing && entry.sent != Sent::firing;
}

bool DeliveryTable::isUrgent(const Entry& entry) const {
    return entry.alert.firing && hasNews(entry) && entry.alert.labels.get("severity") == "critical";
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

DeliveryTable::Key DeliveryTable::keyOf(const Entry& entry) const {
    return {groupOf(entry), entry.alone ? entry.alert.labels : Labels()};
}

TimestampMs DeliveryTable::urgentDueAt(const Entry& entry, TimestampMs now) const {
    const TimestampMs gathered = pastOf(entry.news_at, now) + options_.gather_ms;
    const auto burst = urgent_.find(groupOf(entry));
    if (entry.alone || burst == urgent_.end()) {
        return gathered;
    }
    std::int64_t pause = kUrgentPauseMs;
    for (int i = 1; i < burst->second.in_a_row && pause < kMostUrgentPauseMs; ++i) {
        pause *= kUrgentGrowth;
    }
    pause = std::min({pause, kMostUrgentPauseMs, options_.group_interval_ms});
    return std::max(gathered, pastOf(burst->second.sent_at, now) + pause);
}

std::optional<TimestampMs> DeliveryTable::dueAt(const Entry& entry, TimestampMs group_sent_at,
                                                TimestampMs now) const {
    if (entry.muted() || !isForReceiver(entry)) {
        return std::nullopt;
    }
    if (isUrgent(entry)) {
        return urgentDueAt(entry, now);
    }
    if (hasNews(entry)) {
        const TimestampMs news_at = pastOf(entry.news_at, now);
        const TimestampMs waited = group_sent_at == 0
                                       ? news_at + options_.group_wait_ms
                                       : pastOf(group_sent_at, now) + options_.group_interval_ms;
        return std::max(news_at + options_.gather_ms, waited);
    }
    if (entry.alert.firing) {
        return pastOf(entry.sent_at, now) +
               (entry.given_up ? std::min(options_.repeat_ms, kOfferAgainMs) : options_.repeat_ms);
    }
    return std::nullopt;
}

std::map<DeliveryTable::Key, TimestampMs> DeliveryTable::sentTimes() const {
    std::map<Key, TimestampMs> out;
    for (const auto& [labels, entry] : entries_) {
        auto& at = out[keyOf(entry)];
        at = std::max(at, entry.sent_at);
    }
    return out;
}

std::map<DeliveryTable::Key, DeliveryTable::Due> DeliveryTable::dueMessages(TimestampMs now) const {
    const auto sent = sentTimes();
    std::map<Key, Due> out;
    for (const auto& [labels, entry] : entries_) {
        const auto key = keyOf(entry);
        const auto at = dueAt(entry, sent.at(key), now);
        if (!at) {
            continue;
        }
        auto& due = out.try_emplace(key, Due{*at, false, false}).first->second;
        due.at = std::min(due.at, *at);
        due.urgent = due.urgent || isUrgent(entry);
    }
    for (const auto& [key, attempts] : attempts_) {
        const auto due = out.find(key);
        if (due == out.end()) {
            continue;
        }
        if (attempts.under_way) {
            out.erase(due);
            continue;
        }
        due->second.tried = true;
        if (attempts.retry_at - now <= std::max(kMostPauseMs, options_.most_retry_ms)) {
            due->second.at = std::max(due->second.at, attempts.retry_at);
        }
    }
    return out;
}

bool DeliveryTable::put(const Alert& alert, TimestampMs now) {
    const auto known = entries_.find(alert.labels);
    if (!alert.firing) {
        if (known == entries_.end() || !known->second.alert.firing) {
            return false;
        }
        Entry& entry = known->second;
        const bool kept = isKeptAtItsEnd(entry, now);
        entry.alert = alert;
        entry.news_at = entry.sent == Sent::nothing ? entry.news_at : now;
        if (!kept) {
            entries_.erase(known);
        }
        return true;
    }
    const std::int64_t holds_ms = std::max(alert.ends_at - now, kLeastValidityMs);
    if (known == entries_.end()) {
        Entry entry;
        entry.alert = alert;
        entry.news_at = now;
        entry.holds_until = now + holds_ms;
        entry.holds_ms = holds_ms;
        hurry(entry);
        entries_.emplace(alert.labels, std::move(entry));
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
    if (entry.sent != Sent::firing) {
        entry.sent = Sent::nothing;
        entry.news_at = now;
        hurry(entry);
    }
    return true;
}

/// A new critical alert does not wait for the next attempt of a group that failed.
void DeliveryTable::hurry(const Entry& entry) {
    const auto attempts = attempts_.find(keyOf(entry));
    if (isUrgent(entry) && attempts != attempts_.end()) {
        attempts->second.retry_at = 0;
    }
}

/// Whether an alert that ends now is remembered: the receiver must be told, or may see it begin again.
bool DeliveryTable::isKeptAtItsEnd(const Entry& entry, TimestampMs now) const {
    if (entry.given_up || (!entry.routed && entry.sent != Sent::firing)) {
        return false;
    }
    if (!options_.send_resolved) {
        return entry.sent == Sent::firing && options_.group_interval_ms > 0;
    }
    if (entry.sent != Sent::nothing) {
        return true;
    }
    if (entry.unmuted_at != 0 && now - entry.unmuted_at < kTogetherMs) {
        return false;
    }
    const bool in_its_wait = !isUrgent(entry) && now < entry.news_at + options_.group_wait_ms;
    return !in_its_wait || entry.muted() || sentTimes().at(keyOf(entry)) != 0;
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
            gone = entry.given_up || isDropped(entry);
        }
        const auto most_ms = options_.send_resolved ? kMostWaitingMs : options_.group_interval_ms;
        if (!entry.alert.firing && now - entry.news_at > most_ms) {
            changed = gone = true;
        }
        it = gone ? entries_.erase(it) : std::next(it);
    }
    forgetGroups(now);
    return changed;
}

void DeliveryTable::forgetGroups(TimestampMs now) {
    std::erase_if(urgent_, [&](const auto& burst) {
        return std::abs(now - burst.second.sent_at) >
               std::max(options_.group_interval_ms, kMostUrgentPauseMs);
    });
    if (attempts_.empty()) {
        return;
    }
    const auto sent = sentTimes();
    std::erase_if(attempts_, [&](const auto& attempts) {
        return !attempts.second.under_way && !sent.contains(attempts.first);
    });
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
        if (unsilenced && entry.alert.firing && entry.routed) {
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

bool DeliveryTable::route(const std::function<bool(const Labels&)>& wanted, TimestampMs now) {
    bool changed = false;
    for (auto it = entries_.begin(); it != entries_.end();) {
        Entry& entry = it->second;
        const bool was_routed = std::exchange(entry.routed, wanted(it->first));
        changed = changed || was_routed != entry.routed;
        if (was_routed && !entry.routed) {
            entry.failing_since = 0;
            if (std::exchange(entry.given_up, false)) {
                entry.sent = Sent::nothing;
            }
        } else if (!was_routed && entry.routed && hasNews(entry)) {
            entry.news_at = now;
            hurry(entry);
        }
        it = isDropped(entry) ? entries_.erase(it) : std::next(it);
    }
    return changed;
}

void DeliveryTable::noteFailure(Entry& entry, TimestampMs since) const {
    if (entry.alert.firing && entry.routed && hasNews(entry) && entry.failing_since == 0) {
        entry.failing_since = since;
    }
}

void DeliveryTable::noteFailure(const Notification& notification, TimestampMs since) {
    for (const auto& alert : notification.alerts) {
        if (const auto known = entries_.find(alert.labels); known != entries_.end()) {
            noteFailure(known->second, since);
        }
    }
}

void DeliveryTable::noteUnreached(TimestampMs since, TimestampMs now) {
    const auto sent = sentTimes();
    for (auto& [labels, entry] : entries_) {
        const auto at = dueAt(entry, sent.at(keyOf(entry)), now);
        if (at && *at <= now) {
            noteFailure(entry, since);
        }
    }
}

Failures DeliveryTable::failures() const {
    Failures out;
    for (const auto& [labels, entry] : entries_) {
        if (!entry.alert.firing || !entry.routed || entry.muted()) {
            continue;
        }
        if (entry.given_up) {
            out.emplace(labels, 0);
        } else if (entry.failing_since != 0 && hasNews(entry)) {
            out.emplace(labels, entry.failing_since);
        }
    }
    return out;
}

std::optional<Notification> DeliveryTable::due(TimestampMs now, bool retries) const {
    const auto order = [](const Due& due) { return std::tuple(due.tried, !due.urgent, due.at); };
    const auto messages = dueMessages(now);
    auto next = messages.end();
    for (auto it = messages.begin(); it != messages.end(); ++it) {
        const bool may = it->second.at <= now && (retries || !it->second.tried);
        if (may && (next == messages.end() || order(it->second) < order(next->second))) {
            next = it;
        }
    }
    if (next == messages.end()) {
        return std::nullopt;
    }
    Notification out;
    out.group = next->first.group;
    out.alone = next->first.alone;
    for (const bool firing : {true, false}) {
        if (!firing && !options_.send_resolved) {
            continue;
        }
        for (const auto& [labels, entry] : entries_) {
            if (!entry.muted() && isForReceiver(entry) && entry.alert.firing == firing &&
                keyOf(entry) == next->first) {
                out.alerts.push_back(entry.alert);
            }
        }
    }
    return out;
}

std::optional<Notification> DeliveryTable::take(TimestampMs now, bool retries) {
    auto out = due(now, retries);
    if (out) {
        attempts_[{out->group, out->alone}].under_way = true;
    }
    return out;
}

std::optional<TimestampMs> DeliveryTable::nextDue(TimestampMs now) const {
    std::optional<TimestampMs> next;
    for (const auto& [key, due] : dueMessages(now)) {
        if (!next || due.at < *next) {
            next = std::max(due.at, now);
        }
    }
    return next;
}

void DeliveryTable::noteUrgent(const Notification& notification, TimestampMs now) {
    const bool urgent =
        std::any_of(notification.alerts.begin(), notification.alerts.end(), [&](const Alert& alert) {
            const auto known = entries_.find(alert.labels);
            return alert.firing && known != entries_.end() && isUrgent(known->second);
        });
    if (!urgent || !notification.alone.empty()) {
        return;
    }
    auto& burst = urgent_[notification.group];
    burst.in_a_row = now - burst.sent_at < options_.group_interval_ms ? burst.in_a_row + 1 : 1;
    burst.sent_at = now;
}

void DeliveryTable::accept(const Notification& notification, TimestampMs now) {
    attempts_.erase({notification.group, notification.alone});
    noteUrgent(notification, now);
    for (const auto& alert : notification.alerts) {
        const auto known = entries_.find(alert.labels);
        if (known == entries_.end()) {
            continue;
        }
        Entry& entry = known->second;
        if (!alert.firing && !entry.alert.firing) {
            entries_.erase(known);
            continue;
        }
        // The alert may have ended or begun again since: then another notification is due.
        entry.sent = alert.firing ? Sent::firing : Sent::resolved;
        entry.sent_at = now;
        entry.failing_since = 0;
        entry.alone = entry.given_up = false;
    }
}

bool DeliveryTable::reject(const Notification& notification, const DeliveryFailure& failure,
                           TimestampMs now) {
    const Key key{notification.group, notification.alone};
    auto& attempts = attempts_[key];
    attempts.under_way = false;
    if (failure.kind == DeliveryFailure::Kind::unreached) {
        if (attempts.failed + attempts.refused == 0) {
            attempts_.erase(key);
        }
        return false;
    }
    const bool refused = failure.kind == DeliveryFailure::Kind::refused;
    if (refused && notification.alerts.size() > 1) {
        attempts_.erase(key);
        for (const auto& alert : notification.alerts) {
            if (const auto known = entries_.find(alert.labels); known != entries_.end()) {
                known->second.alone = true;
            }
        }
        return false;
    }
    const bool later = failure.kind == DeliveryFailure::Kind::later;
    const int failures = later ? ++attempts.failed : ++attempts.refused;
    if (!later && failures >= (refused ? kMostRefusals : kMostDenials)) {
        attempts_.erase(key);
        giveUp(notification, refused, now);
        return true;
    }
    attempts.retry_at = now + retryPause(options_.first_retry_ms, options_.most_retry_ms, failures);
    return false;
}

void DeliveryTable::giveUp(const Notification& notification, bool refused, TimestampMs now) {
    for (const auto& alert : notification.alerts) {
        const auto known = entries_.find(alert.labels);
        if (known == entries_.end() || known->second.alert.firing != alert.firing) {
            continue;
        }
        if (!alert.firing) {
            entries_.erase(known);
            continue;
        }
        Entry& entry = known->second;
        entry.sent = Sent::firing;
        entry.sent_at = now;
        entry.given_up = true;
        entry.alone = refused;
    }
}

std::size_t DeliveryTable::waiting() const {
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return !entry.second.muted() && hasNews(entry.second);
    }));
}

std::optional<Told> DeliveryTable::told(std::string_view alert_fingerprint) const {
    for (const auto& [labels, entry] : entries_) {
        if (fingerprint(labels) != alert_fingerprint) {
            continue;
        }
        Told out;
        out.labels = labels;
        out.firing = entry.sent == Sent::firing && !entry.given_up;
        if (entry.sent != Sent::nothing && !entry.given_up) {
            out.at = entry.sent_at;
        }
        out.muted = entry.muted();
        out.waiting = !entry.muted() && hasNews(entry);
        out.given_up = entry.given_up;
        return out;
    }
    return std::nullopt;
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
        json::put(writer, "alone", entry.alone ? 1 : 0);
        json::put(writer, "given_up", entry.given_up ? 1 : 0);
        json::put(writer, "failing_since", entry.failing_since);
        writer.EndObject();
    }
    writer.EndArray();
    return writer.text();
}

Expected<void> DeliveryTable::restore(const std::string& saved, TimestampMs now) {
    const auto document = json::parseOwn(saved);
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
        entry.alone = number("alone") != 0;
        entry.given_up = number("given_up") != 0;
        entry.failing_since = pastOf(number("failing_since"), now);
        entries_.emplace(entry.alert.labels, std::move(entry));
    }
    return {};
}

}  // namespace lapwing::notify
