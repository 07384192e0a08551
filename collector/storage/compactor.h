#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/storage/damaged_blocks.h"
#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/log_table.h"
#include "collector/storage/series_catalog.h"

namespace lapwing::storage {

/// Compaction: turns the head into blocks and shortens the arrival log. A crash in between leaves samples in
/// both; queries and the next compaction merge them. Thread-safe.
class Compactor {
  public:
    Compactor(Database& database, SeriesCatalog& catalog, Heads& heads, DamagedBlocks& damaged, LogTable& log)
        : database_(database), catalog_(catalog), heads_(heads), damaged_(damaged), log_(log) {}

    /// Compacts the frozen head that an earlier attempt has left, or else the head.
    Expected<void> compact(const RewriteLock& lock);
    /// Puts back the blocks that were set aside and can be read as a whole now: a disk may have failed to
    /// read them for a while. Their samples win over those that came since.
    Expected<void> restore(const RewriteLock& lock);

  private:
    Expected<void> compactGroup(const Head& frozen, GroupId group, const std::vector<SeriesId>& ids);
    Expected<void> compactBlock(const Head& frozen, std::int64_t row, const std::vector<SeriesId>& ids);
    Expected<std::string> mergeBlock(const Head& frozen, std::int64_t row,
                                     const std::vector<SeriesId>& ids) const;
    Expected<std::optional<std::string>> joinBlocks(std::int64_t aside, std::int64_t row) const;
    Expected<void> putTimeRanges(const std::vector<SeriesId>& ids);

    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
    DamagedBlocks& damaged_;
    LogTable& log_;
};

}  // namespace lapwing::storage
