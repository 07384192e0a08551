#include "collector/notify/silences.h"

#include <Poco/UUIDGenerator.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
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
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
    json.StartArray();
    for (const auto& silence : silences) {
        json.StartObject();
        for (const auto& [key, text] : {std::pair{"id", &silence.id},
                                        {"created_by", &silence.created_by},
                                        {"comment", &silence.comment}}) {
            json.Key(key);
            json.String(text->data(), static_cast<rapidjson::SizeType>(text->size()));
        }
        for (const auto& [key, time] : {std::pair{"starts_at", silence.starts_at},
                                        {"ends_at", silence.ends_at},
                                        {"updated_at", silence.updated_at}}) {
            json.Key(key);
            json.Int64(time);
        }
        json.Key("matchers");
        writeMatchers(json, silence.matchers);
        json.EndObject();
    }
    json.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
}

std::optional<std::vector<Silence>> restore(const std::string& saved) {
    rapidjson::Document document;
    document.Parse(saved.data(), saved.size());
    if (document.HasParseError() || !document.IsArray()) {
        return std::nullopt;
    }
    std::vector<Silence> out;
    for (const auto& entry : document.GetArray()) {
        if (!entry.IsObject() || !entry.HasMember("matchers")) {
            return std::nullopt;
        }
        const auto text = [&](const char* key) {
            const auto found = entry.FindMember(key);
            return found != entry.MemberEnd() && found->value.IsString()
                       ? std::string(found->value.GetString(), found->value.GetStringLength())
                       : std::string();
        };
        const auto time = [&](const char* key) {
            const auto found = entry.FindMember(key);
            return found != entry.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : 0;
        };
        auto matchers = readMatchers(entry["matchers"]);
        if (!matchers) {
            return std::nullopt;
        }
        out.push_back({text("id"), std::move(*matchers), time("starts_at"), time("ends_at"),
                       time("updated_at"), text("created_by"), text("comment")});
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
        spdlog::error("the silences cannot be read: none is in force");
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
        return tl::unexpected<Error>(right.error());
    }
    silence.updated_at = now;
    {
        const std::lock_guard lock(mutex_);
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
            return tl::unexpected<Error>(kept.error());
        }
    }
    if (changed_) {
        changed_();
    }
    return silence.id;
}

Expected<void> Silences::expire(const std::string& id, TimestampMs now) {
    {
        const std::lock_guard lock(mutex_);
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
    const std::lock_guard lock(mutex_);
    auto out = silences_;
    std::erase_if(out, [&](const Silence& each) { return now - each.ends_at > kKeepExpiredMs; });
    std::sort(out.begin(), out.end(), [&](const Silence& a, const Silence& b) {
        return std::make_tuple(a.ends_at <= now, a.ends_at) < std::make_tuple(b.ends_at <= now, b.ends_at);
    });
    return out;
}

std::vector<std::string> Silences::matching(const Labels& labels, TimestampMs now) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& silence : silences_) {
        if (silence.active(now) && matchesAll(silence.matchers, labels)) {
            out.push_back(silence.id);
        }
    }
    return out;
}

std::optional<TimestampMs> Silences::nextChange(TimestampMs now) const {
    const std::lock_guard lock(mutex_);
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
