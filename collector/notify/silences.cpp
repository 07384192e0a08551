#include "collector/notify/silences.h"

#include <Poco/UUIDGenerator.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "collector/notify/matchers.h"

namespace lapwing::notify {
namespace {

constexpr const char* kStateName = "notify/silences";
// Alertmanager's --data.retention.
constexpr std::int64_t kKeepExpiredMs = 5LL * 86'400'000;
constexpr std::size_t kMostSilences = 1000;
constexpr std::size_t kMostText = 4096;

std::string save(const std::vector<Silence>& silences) {
    json::Writer out;
    out.StartArray();
    for (const auto& silence : silences) {
        out.StartObject();
        json::put(out, "id", silence.id);
        json::put(out, "created_by", silence.created_by);
        json::put(out, "comment", silence.comment);
        json::put(out, "starts_at", silence.starts_at);
        json::put(out, "ends_at", silence.ends_at);
        json::put(out, "updated_at", silence.updated_at);
        json::key(out, "matchers");
        writeMatchers(out, silence.matchers);
        out.EndObject();
    }
    out.EndArray();
    return out.text();
}

std::optional<std::vector<Silence>> restore(const std::string& saved) {
    const auto document = json::parseOwn(saved);
    if (!document.IsArray()) {
        return std::nullopt;
    }
    std::vector<Silence> out;
    for (const auto& entry : document.GetArray()) {
        auto matchers = readMatchers(json::member(entry, "matchers"));
        if (!matchers) {
            return std::nullopt;
        }
        const auto time = [&](const char* name) { return json::integer(entry, name).value_or(0); };
        out.push_back({json::text(entry, "id"), std::move(*matchers), time("starts_at"), time("ends_at"),
                       time("updated_at"), json::text(entry, "created_by"), json::text(entry, "comment")});
    }
    return out;
}

Expected<void> check(const Silence& silence, TimestampMs now) {
    if (silence.ends_at <= silence.starts_at) {
        return fail(ErrorKind::invalid, "a silence must end after it begins");
    }
    if (silence.ends_at <= now) {
        return fail(ErrorKind::invalid, "a silence must end in the future");
    }
    const bool asks = std::any_of(silence.matchers.begin(), silence.matchers.end(),
                                  [](const auto& matcher) { return !matcher.matches(std::string_view()); });
    if (!asks) {
        return fail(ErrorKind::invalid, "a silence needs a matcher that does not match everything");
    }
    if (silence.comment.size() > kMostText || silence.created_by.size() > kMostText) {
        return fail(ErrorKind::invalid, "the comment is too long");
    }
    return {};
}

}  // namespace

const char* Silence::state(TimestampMs now) const {
    if (active(now)) {
        return "active";
    }
    return now < starts_at ? "pending" : "expired";
}

Silences::Silences(storage::Store& store) : store_(store) {
    const auto saved = store_.state(kStateName);
    if (!saved || !*saved || (*saved)->empty()) {
        return;
    }
    if (auto restored = restore(**saved)) {
        silences_ = std::move(*restored);
    } else {
        spdlog::error("the silences cannot be read, so no silence is in force");
    }
}

Expected<void> Silences::keep(std::vector<Silence> silences, TimestampMs now) {
    std::erase_if(silences, [&](const Silence& each) { return now - each.ends_at > kKeepExpiredMs; });
    if (auto stored = store_.putState(kStateName, save(silences)); !stored) {
        return stored;
    }
    silences_ = std::move(silences);
    return {};
}

Expected<std::string> Silences::set(Silence silence, TimestampMs now) {
    if (auto right = check(silence, now); !right) {
        return fail(right.error());
    }
    silence.updated_at = now;
    {
        const MutexLock lock(mutex_);
        auto changed = silences_;
        if (silence.id.empty()) {
            if (changed.size() >= kMostSilences) {
                return fail(ErrorKind::exhausted, "there are too many silences");
            }
            silence.id = Poco::UUIDGenerator::defaultGenerator().createRandom().toString();
            changed.push_back(silence);
        } else {
            const auto known = std::find_if(changed.begin(), changed.end(),
                                            [&](const Silence& each) { return each.id == silence.id; });
            if (known == changed.end()) {
                return fail(ErrorKind::not_found, "no silence has that id");
            }
            *known = silence;
        }
        if (auto kept = keep(std::move(changed), now); !kept) {
            return fail(kept.error());
        }
    }
    if (changed_) {
        changed_();
    }
    return silence.id;
}

Expected<void> Silences::expire(const std::string& id, TimestampMs now) {
    {
        const MutexLock lock(mutex_);
        auto changed = silences_;
        const auto known =
            std::find_if(changed.begin(), changed.end(), [&](const Silence& each) { return each.id == id; });
        if (known == changed.end()) {
            return fail(ErrorKind::not_found, "no silence has that id");
        }
        if (known->ends_at <= now) {
            return {};
        }
        known->ends_at = now;
        known->starts_at = std::min(known->starts_at, now);
        known->updated_at = now;
        if (auto kept = keep(std::move(changed), now); !kept) {
            return kept;
        }
    }
    if (changed_) {
        changed_();
    }
    return {};
}

std::vector<Silence> Silences::list(TimestampMs now) const {
    const MutexLock lock(mutex_);
    auto out = silences_;
    std::erase_if(out, [&](const Silence& each) { return now - each.ends_at > kKeepExpiredMs; });
    std::sort(out.begin(), out.end(), [&](const Silence& a, const Silence& b) {
        return std::make_tuple(a.ends_at <= now, a.ends_at) < std::make_tuple(b.ends_at <= now, b.ends_at);
    });
    return out;
}

std::vector<std::string> Silences::matching(const Labels& labels, TimestampMs now) const {
    const MutexLock lock(mutex_);
    std::vector<std::string> out;
    for (const auto& silence : silences_) {
        if (silence.active(now) && matchesAll(silence.matchers, labels)) {
            out.push_back(silence.id);
        }
    }
    return out;
}

std::optional<TimestampMs> Silences::nextChange(TimestampMs now) const {
    const MutexLock lock(mutex_);
    std::optional<TimestampMs> next;
    for (const auto& silence : silences_) {
        for (const auto time : {silence.starts_at, silence.ends_at}) {
            if (time > now && (!next || time < *next)) {
                next = time;
            }
        }
    }
    return next;
}

}  // namespace lapwing::notify
