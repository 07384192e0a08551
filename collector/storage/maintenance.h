#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "collector/storage/compactor.h"
#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/retention.h"
#include "collector/storage/series_catalog.h"
#include "collector/storage/wakeup.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The background thread: syncs the WAL, compacts a head that is old or large, deletes expired data every
/// hour, and makes checkpoints. Thread-safe.
class Maintenance {
  public:
    Maintenance(const StoreOptions& options, Wakeup& wakeup, Database& database, const SeriesCatalog& catalog,
                const Heads& heads, Compactor& compactor, Retention& retention);
    Maintenance(const Maintenance&) = delete;
    Maintenance& operator=(const Maintenance&) = delete;
    ~Maintenance();

    void start();

    /// Compacts the head, or deletes what is expired, now and in the caller's thread.
    Expected<void> compact();
    Expected<void> expire();
    /// Why the last compaction or retention run failed; "" if it did not.
    std::string trouble() const;

  private:
    using Clock = std::chrono::steady_clock;
    /// For the thread alone.
    struct Schedule {
        Clock::time_point expire_due;
        Clock::time_point compact_due;
        bool failed = false;  ///< the last attempt: a large head alone is no reason for another one
    };

    void run();
    bool headIsLarge() const;
    Clock::time_point nextDue(const Schedule& schedule) const;
    void runDue(Schedule& schedule);
    Expected<void> noted(Expected<void> done);

    const StoreOptions& options_;
    Wakeup& wakeup_;
    Database& database_;
    const SeriesCatalog& catalog_;
    const Heads& heads_;
    Compactor& compactor_;
    Retention& retention_;
    mutable Mutex trouble_mutex_;
    std::string trouble_ LAPWING_GUARDED_BY(trouble_mutex_);
    std::thread thread_;
};

}  // namespace lapwing::storage
