#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collector/storage/store.h"
#include "common/mutex.h"

namespace lapwing::notify {

/// Matching alerts are not sent from `starts_at` until `ends_at`.
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

/// The silences, persisted in the store. Safe from any thread.
class Silences {
  public:
    explicit Silences(storage::Store& store);

    /// Adds a silence, or replaces the one with the same id; returns its id once it is durable. Errors:
    /// `invalid` (it ends before it begins, or has ended; all its matchers match everything), `not_found`
    /// (the id), `exhausted`, and the store's errors.
    Expected<std::string> set(Silence silence, TimestampMs now);
    /// Ends a silence now. Errors: `not_found`, and the store's errors.
    Expected<void> expire(const std::string& id, TimestampMs now);

    /// The silences that ended less than five days ago or have not ended, the next to end first.
    std::vector<Silence> list(TimestampMs now) const;
    /// The ids of the active silences that match these labels.
    std::vector<std::string> matching(const Labels& labels, TimestampMs now) const;
    /// When the next silence begins or ends.
    std::optional<TimestampMs> nextChange(TimestampMs now) const;

    /// Sets a callback for each change, which runs on the thread that made the change. Call it before any
    /// change.
    void onChange(std::function<void()> changed) { changed_ = std::move(changed); }

  private:
    Expected<void> keep(std::vector<Silence> silences, TimestampMs now) LAPWING_REQUIRES(mutex_);

    storage::Store& store_;
    std::function<void()> changed_;
    mutable Mutex mutex_;
    std::vector<Silence> silences_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::notify
