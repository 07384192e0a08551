#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/storage/store.h"

namespace lapwing::notify {

/// Alerts that meet all matchers are told to nobody from `starts_at` until `ends_at`.
struct Silence {
    std::string id;
    storage::Matchers matchers;
    TimestampMs starts_at = 0;
    TimestampMs ends_at = 0;
    TimestampMs updated_at = 0;
    std::string created_by;
    std::string comment;

    bool active(TimestampMs now) const { return starts_at <= now && now < ends_at; }
    /// "pending", "active" or "expired", as Alertmanager names them.
    const char* state(TimestampMs now) const;
};

/// The silences, kept in the store. Safe from any thread.
class Silences {
  public:
    explicit Silences(storage::Store& store);

    /// Adds a silence, or replaces the one whose id it carries; returns its id once that is durable. Errors:
    /// `invalid` (it ends before it begins, or has ended; no matcher that asks for something), `not_found`
    /// (the id), `exhausted`, and what the store says.
    Expected<std::string> set(Silence silence, TimestampMs now);
    /// Ends one now. Errors: `not_found`, and what the store says.
    Expected<void> expire(const std::string& id, TimestampMs now);

    /// Those that have not been over for five days, the next to end first.
    std::vector<Silence> list(TimestampMs now) const;
    /// The ids of the active ones that hold for these labels.
    std::vector<std::string> matching(const Labels& labels, TimestampMs now) const;
    /// When the next one begins or ends.
    std::optional<TimestampMs> nextChange(TimestampMs now) const;

    /// Called after each change, from the thread that made it. Set it before there are any.
    void onChange(std::function<void()> changed) { changed_ = std::move(changed); }

  private:
    Expected<void> keep(std::vector<Silence> silences, TimestampMs now);

    storage::Store& store_;
    std::function<void()> changed_;
    mutable std::mutex mutex_;
    std::vector<Silence> silences_;
};

}  // namespace lapwing::notify
