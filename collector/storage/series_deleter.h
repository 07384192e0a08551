#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/storage/compactor.h"
#include "collector/storage/damaged_blocks.h"
#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/queryable.h"
#include "collector/storage/series_catalog.h"

namespace lapwing::storage {

/// Deletes samples of series in a range of time, and series without any other sample. Thread-safe.
class SeriesDeleter {
  public:
    SeriesDeleter(Database& database, SeriesCatalog& catalog, Heads& heads, DamagedBlocks& damaged,
                  Compactor& compactor)
        : database_(database), catalog_(catalog), heads_(heads), damaged_(damaged), compactor_(compactor) {}

    /// As in Store.
    Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to);

  private:
    struct Deletion {
        TimestampMs from = 0;
        TimestampMs to = 0;
        std::unordered_map<GroupId, std::vector<SeriesId>> series;  ///< ids ascending
        std::unordered_map<SeriesId, TimeRange> archived;           ///< of these, the archived ones

        bool contains(GroupId group, SeriesId id) const;
    };

    Expected<Deletion> find(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) const;
    Expected<std::vector<std::int64_t>> blocksOf(const Deletion& deletion) const;
    Expected<std::string> cutBlock(const Deletion& deletion, std::int64_t row) const;
    Expected<void> deleteFromBlock(const Deletion& deletion, std::int64_t row);
    Expected<TimeRange> rangeLeft(const Deletion& deletion, GroupId group, SeriesId id) const;
    Expected<void> finish(const Deletion& deletion);

    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
    DamagedBlocks& damaged_;
    Compactor& compactor_;
};

}  // namespace lapwing::storage
