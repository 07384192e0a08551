#include "collector/notify/delivery_table.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <utility>

namespace lapwing::notify {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

// For an alert whose sender said nothing usable, and after a restart: Prometheus' 4 x the resend delay,
// rounded up.
constexpr std::int64_t kLeastValidityMs = 300'000;
// Nobody wants to hear a day later that something was over; and what waits must not grow without bound.
constexpr std::int64_t kMostWaitingMs = 86'400'000;
// Rules end one after the other: an alert and what it inhibited end together, though not in the same moment.
constexpr std::int64_t kTogetherMs = 5000;

void writeString(JsonWriter& writer, const std::string& text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void writeLabels(JsonWriter& writer, const char* key, const Labels& labels) {
    writer.Key(key);
    writer.StartObject();
    for (const auto& label : labels) {
        writeString(writer, label.name);
        writeString(writer, label.value);
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

std::int64_t readNumber(const rapidjson::Value& object, const char* key) {
    const auto* found = find(object, key);
    return found != nullptr && found->IsInt64() ? found->GetInt64() : 0;
}

}  // namespace

bool Notification::firing() const {
    return std::any_of(alerts.begin(), alerts.end(), [](const Alert& alert) { return alert.firing; });
}

bool DeliveryTable::hasNews(const Entry& entry) const {
    return entry.told != (entry.alert.firing ? Told::firing : Told::resolved);
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

std::optional<TimestampMs> DeliveryTable::dueAt(const Entry& entry, TimestampMs group_told_at) const {
    if (entry.muted()) {
        return std::nullopt;
    }
    if (hasNews(entry)) {
        const TimestampMs gathered = entry.news_at + options_.gather_ms;
        if (group_told_at == 0) {
            return std::max(gathered, entry.news_at + options_.group_wait_ms);
        }
        return std::max(gathered, group_told_at + options_.group_interval_ms);
    }
    if (entry.alert.firing) {
        return entry.told_at + options_.repeat_ms;
    }
    return std::nullopt;
}

std::map<Labels, TimestampMs> DeliveryTable::dueGroups() const {
    std::map<Labels, TimestampMs> told;
    for (const auto& [labels, entry] : entries_) {
        auto& at = told[groupOf(entry)];
        at = std::max(at, entry.told_at);
    }
    std::map<Labels, TimestampMs> due;
    for (const auto& [labels, entry] : entries_) {
        const auto group = groupOf(entry);
        const auto at = dueAt(entry, told[group]);
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
        const bool unheard =
            entry.told == Told::nothing && entry.unmuted_at != 0 && now - entry.unmuted_at < kTogetherMs;
        if (unheard || !options_.send_resolved) {
            entries_.erase(known);
        }
        return true;
    }
    const std::int64_t holds_ms = std::max(alert.ends_at - now, kLeastValidityMs);
    if (known == entries_.end()) {
        entries_.emplace(alert.labels,
                         Entry{alert, Told::nothing, 0, now, now + holds_ms, holds_ms, false, false, 0});
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
    entry.told = Told::nothing;
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
            entry.told = Told::nothing;
        }
        if (was_muted && !entry.muted()) {
            entry.unmuted_at = now;
            if (hasNews(entry)) {
                entry.news_at = now;
            }
        }
        const bool unheard = entry.muted() && !entry.alert.firing && entry.told == Told::nothing;
        changed = changed || unheard;
        it = unheard ? entries_.erase(it) : std::next(it);
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
        // Meanwhile it may have ended, or begun again: that is still to be told.
        if (entry.alert.firing == alert.firing && entry.alert.starts_at == alert.starts_at) {
            if (!alert.firing) {
                entries_.erase(known);
                continue;
            }
            entry.told = Told::firing;
        } else if (alert.firing && entry.alert.starts_at == alert.starts_at) {
            entry.told = Told::firing;
        }
        entry.told_at = now;
    }
}

std::size_t DeliveryTable::waiting() const {
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return !entry.second.muted() && hasNews(entry.second);
    }));
}

std::string DeliveryTable::save() const {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartArray();
    for (const auto& [labels, entry] : entries_) {
        writer.StartObject();
        writeLabels(writer, "labels", entry.alert.labels);
        writeLabels(writer, "annotations", entry.alert.annotations);
        writer.Key("generator_url");
        writeString(writer, entry.alert.generator_url);
        const std::pair<const char*, std::int64_t> numbers[] = {
            {"firing", entry.alert.firing ? 1 : 0},
            {"starts_at", entry.alert.starts_at},
            {"ends_at", entry.alert.ends_at},
            {"told", static_cast<std::int64_t>(entry.told)},
            {"told_at", entry.told_at},
            {"news_at", entry.news_at},
            {"holds_ms", entry.holds_ms},
            {"silenced", entry.silenced ? 1 : 0},
            {"inhibited", entry.inhibited ? 1 : 0}};
        for (const auto& [key, number] : numbers) {
            writer.Key(key);
            writer.Int64(number);
        }
        writer.EndObject();
    }
    writer.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<void> DeliveryTable::restore(const std::string& saved, TimestampMs now) {
    rapidjson::Document document;
    document.Parse(saved.data(), saved.size());
    if (document.HasParseError() || !document.IsArray()) {
        return fail(ErrorKind::invalid, "restoring notifications: not what was saved");
    }
    for (const auto& value : document.GetArray()) {
        if (!value.IsObject()) {
            continue;
        }
        Entry entry;
        entry.alert.labels = readLabels(value, "labels");
        entry.alert.annotations = readLabels(value, "annotations");
        const auto* url = find(value, "generator_url");
        if (url != nullptr && url->IsString()) {
            entry.alert.generator_url = url->GetString();
        }
        entry.alert.firing = readNumber(value, "firing") != 0;
        entry.alert.starts_at = readNumber(value, "starts_at");
        entry.alert.ends_at = readNumber(value, "ends_at");
        entry.told = static_cast<Told>(std::clamp<std::int64_t>(readNumber(value, "told"), 0, 2));
        entry.told_at = readNumber(value, "told_at");
        entry.news_at = readNumber(value, "news_at");
        // However long we were away, the rules first get time to confirm it: a rule that is evaluated seldom
        // gave it a longer validity.
        entry.holds_ms = std::max(readNumber(value, "holds_ms"), kLeastValidityMs);
        entry.holds_until = now + entry.holds_ms;
        entry.silenced = readNumber(value, "silenced") != 0;
        entry.inhibited = readNumber(value, "inhibited") != 0;
        entries_.emplace(entry.alert.labels, std::move(entry));
    }
    return {};
}

}  // namespace lapwing::notify
