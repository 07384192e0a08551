#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "collector/storage/arrival_log.h"
#include "collector/storage/database.h"
#include "collector/storage/head.h"
#include "collector/storage/series_catalog.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The arrival log (arrival_log.h) as the table `log`, and its readers' cursors in the table `meta`. The
/// entries after the last compaction are also what a restart makes the head from. Thread-safe.
class LogTable {
  public:
    LogTable(Database& database, const SeriesCatalog& catalog) : database_(database), catalog_(catalog) {}

    /// Reads the entries that are not in blocks yet, once, before anything else. Ids of series are below
    /// `end`. Touches nothing but the log, so that it can run beside the loading of the series.
    Expected<Head> replay(SeriesId end);
    Expected<void> load(const WriteAccess& access);

    /// The newest entry whose series and samples everyone sees.
    LogEnd end() const;
    /// Writes an entry, in a transaction.
    Expected<void> insert(const WriteAccess& access, std::uint64_t seq, TimestampMs received,
                          std::string_view payload);
    /// The entries up to `end` are committed, and their series and samples visible.
    void publish(const WriteAccess& access, LogEnd end);

    // As in ArrivalLog.
    Expected<std::vector<LoggedBatch>> read(std::uint64_t after, std::size_t max_samples) const;
    Expected<std::uint64_t> bytes(std::uint64_t after, std::uint64_t last) const;
    std::map<std::string, std::uint64_t> cursors() const;
    Expected<void> putCursor(const std::string& reader, std::uint64_t seq);
    Expected<void> dropCursor(const std::string& reader);

    /// Entries up to `seq` are in blocks: a restart does not replay them. Series below `next_series` may be
    /// named by entries that a reader still comes to, so that their ids are not given again.
    Expected<void> markCompacted(const WriteAccess& access, std::uint64_t seq, SeriesId next_series);
    /// Deletes the entries up to `compacted` that every reader has passed.
    Expected<void> shorten(std::uint64_t compacted);

  private:
    Database& database_;
    const SeriesCatalog& catalog_;
    Statement insert_ LAPWING_GUARDED_BY(database_.write_mutex);
    std::map<std::string, std::uint64_t> cursors_ LAPWING_GUARDED_BY(database_.write_mutex);  ///< by reader
    mutable Mutex mutex_;
    LogEnd end_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::storage
