#pragma once

#include <atomic>
#include <cstdint>

#include "collector/storage/damaged_blocks.h"
#include "collector/storage/database.h"
#include "collector/storage/documents.h"
#include "collector/storage/heads.h"
#include "collector/storage/series_catalog.h"
#include "collector/storage/store.h"

namespace lapwing::storage {

/// Retention: deletes windows, series and documents that are too old, and as many of the oldest windows as
/// the file is too large. Thread-safe.
class Retention {
  public:
    Retention(const StoreOptions& options, Database& database, SeriesCatalog& catalog, Heads& heads,
              DamagedBlocks& damaged, Documents& documents);

    Expected<void> expire(const RewriteLock& lock);

    /// As in StoreStats.
    std::uint64_t ageDroppedSamples() const { return age_dropped_samples_; }
    TimestampMs ageDroppedBefore() const { return age_dropped_before_; }
    std::uint64_t sizeDroppedSamples() const { return size_dropped_samples_; }
    TimestampMs sizeDroppedBefore() const { return size_dropped_before_; }

  private:
    Expected<std::int64_t> dropOldWindows();
    Expected<std::int64_t> dropForSize();
    Expected<bool> fits(std::int64_t& newest_window) const;
    Expected<std::int64_t> oldestWindow() const;
    Expected<std::uint64_t> dropWindow(std::int64_t window);
    Expected<void> deleteWindow(std::int64_t window, std::uint64_t& samples);
    Expected<void> expireSeries(TimestampMs before);
    Expected<void> expireDocuments(TimestampMs before);

    const StoreOptions& options_;
    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
    DamagedBlocks& damaged_;
    Documents& documents_;
    std::atomic<std::uint64_t> age_dropped_samples_{0};
    std::atomic<TimestampMs> age_dropped_before_{0};
    std::atomic<std::uint64_t> size_dropped_samples_{0};
    std::atomic<TimestampMs> size_dropped_before_{0};
};

}  // namespace lapwing::storage
