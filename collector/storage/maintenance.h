#pragma once

#include <chrono>
#include <string>

#include "collector/storage/compactor.h"
#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/idle_series.h"
#include "collector/storage/retention.h"
#include "collector/storage/series_catalog.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::storage {

/// The background thread: syncs the WAL, compacts a head that is old or large, deletes expired data every
/// hour, and makes checkpoints. Thread-safe.
class Maintenance {
  public:
    Maintenance(const StoreOptions& options, Database& database, const SeriesCatalog& catalog,
                const Heads& heads, Compactor& compactor, IdleSeries& idle, Retention& retention);
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

    std::chrono::milliseconds step();
    bool headIsLarge() const;
    Clock::time_point nextDue() const;
    void compactAndExpire();
    Expected<void> noted(Expected<void> done);

    const StoreOptions& options_;
    Database& database_;
    const SeriesCatalog& catalog_;
    const Heads& heads_;
    Compactor& compactor_;
    IdleSeries& idle_;
    Retention& retention_;
    mutable Mutex trouble_mutex_;
    std::string trouble_ LAPWING_GUARDED_BY(trouble_mutex_);

    // For the worker's thread alone.
    Clock::time_point expire_due_;
    Clock::time_point compact_due_;
    bool failed_ = false;  ///< the last attempt: a large head alone is no reason for another attempt

    Worker worker_;
};

}  // namespace lapwing::storage
