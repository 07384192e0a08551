#include "collector/self/agent_book.h"

#include <algorithm>

#include "collector/storage/queryable.h"
#include "collector/trust/authority.h"

namespace lapwing::self {
namespace {

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kMostDaysBack = 366;  // where the store keeps everything

}  // namespace

void AgentBook::wrote(const std::string& host, TimestampMs now) {
    const MutexLock lock(mutex_);
    auto& entry = entries_[host];
    entry.host = host;
    entry.last_write = now;
}

void AgentBook::polled(const std::string& host, TimestampMs now) {
    const MutexLock lock(mutex_);
    const auto it = entries_.find(host);
    if (it != entries_.end()) {
        it->second.last_poll = now;
    }
}

void AgentBook::forget(const std::string& host) {
    const MutexLock lock(mutex_);
    entries_.erase(host);
    looked_up_.erase(host);
}

Expected<std::optional<TimestampMs>> AgentBook::newestSample(const std::string& host, TimestampMs now) const {
    auto name = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", "up");
    auto agent = storage::Matcher::create(storage::Matcher::Type::equal, "agent", host);
    if (!name || !agent) {
        return fail(!name ? name.error() : agent.error());
    }
    const auto most = retention_ms_ > 0 ? retention_ms_ : kMostDaysBack * kDay;
    const storage::Matchers matchers{*name, *agent};
    // Growing windows: a live agent is found in the first one, and no window loads more than a day.
    TimestampMs to = now;
    for (std::int64_t back = 600'000; back <= most + kDay; back += back < kDay ? back : kDay) {
        const TimestampMs from = now - back;
        const auto found = data_.select(matchers, from, to, 1'000'000);
        if (!found) {
            return fail(found.error());
        }
        std::optional<TimestampMs> newest;
        for (const auto& series : *found) {
            if (!series.samples.empty()) {
                newest = std::max(newest.value_or(0), series.samples.back().timestamp);
            }
        }
        if (newest) {
            return newest;
        }
        to = from;
    }
    return std::nullopt;
}

std::vector<AgentEntry> AgentBook::list(TimestampMs now) {
    std::vector<trust::Enrolled> enrolled;
    if (authority_ != nullptr) {
        enrolled = authority_->enrolled();
    }
    std::vector<std::string> unknown;
    {
        const MutexLock lock(mutex_);
        for (const auto& each : enrolled) {
            const auto known = entries_.find(each.host);
            if (!looked_up_.contains(each.host) && (known == entries_.end() || !known->second.last_write)) {
                unknown.push_back(each.host);
            }
        }
    }
    std::map<std::string, std::optional<TimestampMs>> found;
    for (const auto& host : unknown) {
        // After a failure the next call asks again: a silent agent must not look new.
        if (auto newest = newestSample(host, now)) {
            found[host] = *newest;
        }
    }
    const MutexLock lock(mutex_);
    for (const auto& each : enrolled) {
        auto& entry = entries_[each.host];
        entry.host = each.host;
        entry.enrolled = static_cast<TimestampMs>(each.enrolled) * 1000;
        entry.certificate_ends = static_cast<TimestampMs>(each.not_after) * 1000;
        if (const auto it = found.find(each.host); it != found.end()) {
            looked_up_.insert(each.host);
            entry.last_write = entry.last_write ? entry.last_write : it->second;
        }
    }
    std::vector<AgentEntry> out;
    out.reserve(entries_.size());
    for (const auto& [host, entry] : entries_) {
        out.push_back(entry);
    }
    return out;
}

}  // namespace lapwing::self
