#pragma once

#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/series_catalog.h"

namespace lapwing::storage {

/// Archives the series that have become idle: no sample of them has arrived for an hour, and blocks have all
/// that arrived. Thread-safe.
class IdleSeries {
  public:
    IdleSeries(Database& database, SeriesCatalog& catalog, Heads& heads)
        : database_(database), catalog_(catalog), heads_(heads) {}

    /// Call it after a compaction.
    Expected<void> archive(const RewriteLock& lock);

  private:
    std::vector<SeriesId> find() const;

    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
};

}  // namespace lapwing::storage
