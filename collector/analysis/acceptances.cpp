#include "collector/analysis/acceptances.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>

#include "common/json.h"

namespace lapwing::analysis {
namespace {

constexpr const char* kStateName = "analysis/acceptances";
constexpr const char* kDeclaredBy = "collector.yaml";
constexpr std::int64_t kKeepEndedMs = 5LL * 86'400'000;

template <class List>
auto* find(List& list, const std::string& id, const std::string& subject) {
    const auto found = std::find_if(list.begin(), list.end(),
                                    [&](const auto& one) { return one.id == id && one.subject == subject; });
    return found == list.end() ? nullptr : &*found;
}

std::string save(const std::vector<Acceptance>& acceptances) {
    json::Writer out;
    out.StartArray();
    for (const auto& one : acceptances) {
        out.StartObject();
        json::put(out, "id", one.id);
        json::put(out, "subject", one.subject);
        json::put(out, "until", one.until);
        json::put(out, "reason", one.reason);
        json::put(out, "by", one.by);
        json::put(out, "at", one.at);
        json::put(out, "declared", one.declared);
        json::put(out, "worse", one.worse);
        if (one.extent) {
            json::put(out, "severity", static_cast<int>(one.extent->severity));
            json::key(out, "parts");
            out.StartArray();
            for (const auto& part : one.extent->parts) {
                json::write(out, std::vector<std::string>{part.what, part.from});
            }
            out.EndArray();
        }
        out.EndObject();
    }
    out.EndArray();
    return out.text();
}

std::optional<Extent> restoreExtent(const json::Value& saved) {
    const auto severity = json::integer(saved, "severity");
    if (!severity || *severity < 0 || *severity > static_cast<int>(Severity::info)) {
        return std::nullopt;
    }
    Extent out{static_cast<Severity>(*severity), {}};
    for (const auto& part : json::items(json::member(saved, "parts"))) {
        const auto texts = json::items(part);
        if (texts.Size() == 2) {
            out.parts.push_back({json::text(texts[0]), json::text(texts[1])});
        }
    }
    return out;
}

std::optional<std::vector<Acceptance>> restore(const std::string& saved) {
    const auto document = json::parseOwn(saved);
    if (!document.IsArray()) {
        return std::nullopt;
    }
    std::vector<Acceptance> out;
    for (const auto& entry : document.GetArray()) {
        Acceptance one;
        one.id = json::text(entry, "id");
        one.subject = json::text(entry, "subject");
        one.until = json::integer(entry, "until").value_or(0);
        one.reason = json::text(entry, "reason");
        one.by = json::text(entry, "by");
        one.at = json::integer(entry, "at").value_or(0);
        one.declared = json::flag(entry, "declared").value_or(false);
        one.worse = json::text(entry, "worse");
        one.extent = restoreExtent(entry);
        out.push_back(std::move(one));
    }
    return out;
}

Expected<void> check(const Acceptance& acceptance, TimestampMs now) {
    if (acceptance.reason.empty()) {
        return fail(ErrorKind::invalid, "an acceptance needs a reason");
    }
    if (acceptance.reason.size() > Acceptances::kMostReason ||
        acceptance.by.size() > Acceptances::kMostReason) {
        return fail(ErrorKind::invalid,
                    "the reason must have at most " + std::to_string(Acceptances::kMostReason) + " bytes");
    }
    if (acceptance.until <= now) {
        return fail(ErrorKind::invalid, "an acceptance must end in the future");
    }
    if (acceptance.until - now > Acceptances::kLongest) {
        return fail(ErrorKind::invalid, "an acceptance must end within five years");
    }
    return {};
}

/// The declared acceptances and those that people made; a declared one that has not changed keeps its extent.
std::vector<Acceptance> merged(std::vector<Acceptance> known, const std::vector<Site::Accept>& declared,
                               TimestampMs now) {
    std::vector<Acceptance> out;
    for (const auto& each : declared) {
        const auto* before = find(known, each.finding, each.subject);
        if (before != nullptr && before->declared && before->until == each.until_ms &&
            before->reason == each.reason) {
            out.push_back(*before);
        } else {
            out.push_back({each.finding, each.subject, each.until_ms, each.reason, kDeclaredBy, now, true});
        }
    }
    std::erase_if(known, [&](const Acceptance& one) {
        return one.declared || find(out, one.id, one.subject) != nullptr;
    });
    out.insert(out.end(), std::make_move_iterator(known.begin()), std::make_move_iterator(known.end()));
    return out;
}

}  // namespace

const char* Acceptance::state(TimestampMs now) const {
    if (now >= until) {
        return "ended";
    }
    return worse.empty() ? "accepted" : "worse";
}

Acceptances::Acceptances(storage::Store& store, const std::vector<Site::Accept>& declared, TimestampMs now)
    : store_(store) {
    const auto saved = store_.state(kStateName);
    std::vector<Acceptance> known;
    if (saved && *saved && !(*saved)->empty()) {
        if (auto restored = restore(**saved)) {
            known = std::move(*restored);
        } else {
            spdlog::error("the acceptances cannot be read, so no finding is accepted");
        }
    }
    acceptances_ = merged(std::move(known), declared, now);
}

Expected<void> Acceptances::keep(List acceptances, TimestampMs now) {
    std::erase_if(acceptances,
                  [&](const Acceptance& one) { return !one.declared && now - one.until > kKeepEndedMs; });
    if (auto stored = store_.putState(kStateName, save(acceptances)); !stored) {
        return stored;
    }
    acceptances_ = std::move(acceptances);
    return {};
}

void Acceptances::tell() const {
    if (changed_) {
        changed_();
    }
}

Expected<void> Acceptances::accept(Acceptance acceptance, const std::vector<Finding>& standing,
                                   TimestampMs now) {
    if (auto right = check(acceptance, now); !right) {
        return right;
    }
    const auto* finding = find(standing, acceptance.id, acceptance.subject);
    if (finding == nullptr) {
        return fail(ErrorKind::not_found,
                    "there is no finding " + acceptance.id + " on " + acceptance.subject + " now");
    }
    acceptance.at = now;
    acceptance.declared = false;
    acceptance.worse.clear();
    acceptance.extent = extentOf(*finding);
    {
        const MutexLock lock(mutex_);
        auto changed = acceptances_;
        if (auto* known = find(changed, acceptance.id, acceptance.subject)) {
            if (known->declared) {
                return fail(ErrorKind::invalid, "collector.yaml accepts it (site.accept): change it there");
            }
            *known = std::move(acceptance);
        } else if (changed.size() >= kMost) {
            return fail(ErrorKind::exhausted, "there are too many acceptances");
        } else {
            changed.push_back(std::move(acceptance));
        }
        if (auto kept = keep(std::move(changed), now); !kept) {
            return kept;
        }
    }
    tell();
    return {};
}

Expected<void> Acceptances::end(const std::string& id, const std::string& subject, TimestampMs now) {
    {
        const MutexLock lock(mutex_);
        auto changed = acceptances_;
        auto* known = find(changed, id, subject);
        if (known == nullptr || now >= known->until) {
            return fail(ErrorKind::not_found, id + " on " + subject + " is not accepted");
        }
        if (known->declared) {
            return fail(ErrorKind::invalid, "collector.yaml accepts it (site.accept): take it away there");
        }
        known->until = now;
        if (auto kept = keep(std::move(changed), now); !kept) {
            return kept;
        }
    }
    tell();
    return {};
}

Expected<void> Acceptances::judge(const std::vector<Finding>& standing, TimestampMs now) {
    bool tells = false;
    Expected<void> kept;
    {
        const MutexLock lock(mutex_);
        auto judged = acceptances_;
        bool changed = false;
        for (auto& one : judged) {
            // One whose finding is gone stays as it was: an alert that has not ended yet must not be told.
            const auto* finding = now < one.until ? find(standing, one.id, one.subject) : nullptr;
            if (finding == nullptr) {
                continue;
            }
            if (!one.extent) {
                one.extent = extentOf(*finding);
                changed = true;
            }
            auto found = worse(*one.extent, *finding);
            if (!found.empty() && one.worse.empty()) {
                spdlog::warn("{} on {} was accepted by {} and is worse now: {}", one.id, one.subject, one.by,
                             found);
            }
            changed = changed || found != one.worse;
            one.worse = std::move(found);
        }
        std::set<std::pair<std::string, std::string>> holding;
        for (const auto& one : judged) {
            if (one.holds(now)) {
                holding.emplace(one.id, one.subject);
            }
        }
        tells = holding != holding_;
        holding_ = std::move(holding);
        if (changed) {
            acceptances_ = judged;
            kept = keep(std::move(judged), now);
        }
    }
    if (tells) {
        tell();
    }
    return kept;
}

std::optional<Acceptance> Acceptances::of(const std::string& id, const std::string& subject,
                                          TimestampMs now) const {
    const MutexLock lock(mutex_);
    const auto* known = find(acceptances_, id, subject);
    return known == nullptr || now >= known->until ? std::nullopt : std::optional(*known);
}

std::vector<Acceptance> Acceptances::list(TimestampMs now) const {
    const MutexLock lock(mutex_);
    auto out = acceptances_;
    std::sort(out.begin(), out.end(), [&](const Acceptance& a, const Acceptance& b) {
        return std::make_tuple(a.until <= now, a.until) < std::make_tuple(b.until <= now, b.until);
    });
    return out;
}

}  // namespace lapwing::analysis
