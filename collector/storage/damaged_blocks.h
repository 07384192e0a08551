#pragma once

#include <cstdint>
#include <set>

#include "collector/storage/database.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// Damaged blocks that compaction has set aside, so that new samples get a block of their own: the block of
/// row r then has the row -r. Queries still read what can be read of it. Thread-safe.
class DamagedBlocks {
  public:
    explicit DamagedBlocks(Database& database) : database_(database) {}

    /// Reads the table, once, before anything else.
    Expected<void> load(const WriteAccess& access);
    /// Moves the block of a row to its negative row.
    Expected<void> setAside(std::int64_t row);
    /// Deletes the block of row -row, in a transaction of the caller; then call forget().
    static Expected<void> erase(const WriteAccess& access, std::int64_t row);
    /// The block of row -row, or every block from row -last to -first, is deleted.
    void forget(std::int64_t row) { forget(row, row); }
    void forget(std::int64_t first, std::int64_t last);

    /// The positive rows, ascending.
    std::set<std::int64_t> rows() const;
    std::size_t size() const;
    bool inGroup(GroupId group) const;

  private:
    Database& database_;
    mutable Mutex mutex_;
    std::set<std::int64_t> rows_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::storage
