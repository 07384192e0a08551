#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/storage/compactor.h"
#include "collector/storage/damaged_blocks.h"
#include "collector/storage/database.h"
#include "collector/storage/documents.h"
#include "collector/storage/heads.h"
#include "collector/storage/idle_series.h"
#include "collector/storage/log_table.h"
#include "collector/storage/maintenance.h"
#include "collector/storage/querier.h"
#include "collector/storage/retention.h"
#include "collector/storage/series_catalog.h"
#include "collector/storage/series_deleter.h"
#include "collector/storage/store.h"
#include "collector/storage/writer.h"

namespace lapwing::storage {

/// The Store on SQLite: wires the parts that share one database file.
///
///     Database       the file: writing and reading connections, durability of the WAL
///     SeriesCatalog  which series exist: index, archive, ids, groups, budgets
///     Heads          the newest samples, in memory
///     LogTable       the arrival log
///     DamagedBlocks  blocks that cannot be read as a whole
///     Documents      documents and named states
///     Writer         appends batches, with group commit; BatchStager checks them
///     Querier        reads samples and labels
///     Compactor      turns the head into blocks
///     IdleSeries     moves series without samples from memory to the archive
///     Retention      deletes what is too old or too much
///     SeriesDeleter  deletes samples and series on request
///     Maintenance    the thread that runs compaction, retention, syncs and checkpoints
///
/// Each part has its own mutexes. database.h says in which order they are taken.
class SqliteStore final : public Store {
  public:
    static Expected<std::unique_ptr<SqliteStore>> open(StoreOptions options);

    Expected<std::vector<SeriesSamples>> select(const Matchers& matchers, TimestampMs from, TimestampMs to,
                                                std::size_t max_samples) const override;
    Expected<std::vector<Labels>> series(const std::vector<Matchers>& any, TimestampMs from,
                                         TimestampMs to) const override;
    Expected<std::vector<std::string>> labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override;
    Expected<std::vector<std::string>> labelValues(const std::string& name, const std::vector<Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override;

    using Store::append;
    Expected<AppendResult> append(std::span<BatchSeries> batch, const std::string& sender) override;
    Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) override;
    Expected<void> putDocument(const Document& document) override;
    Expected<std::optional<Document>> document(const std::string& digest,
                                               std::size_t most = kMostUnpackedBytes) const override;
    Expected<void> dropDocument(const std::string& digest) override;
    Expected<void> putState(const std::string& name, const std::string& value) override;
    Expected<std::map<std::string, std::string>> states(const std::string& prefix) const override;
    Expected<std::optional<std::string>> state(const std::string& name) const override;
    StoreStats stats() const override;

    Expected<std::vector<LoggedBatch>> readLog(std::uint64_t after, std::size_t max_samples) const override;
    LogEnd logEnd() const override;
    Expected<std::uint64_t> logBytes(std::uint64_t after, std::uint64_t last) const override;
    std::map<std::string, std::uint64_t> logCursors() const override;
    Expected<void> putLogCursor(const std::string& reader, std::uint64_t seq) override;
    Expected<void> dropLogCursor(const std::string& reader) override;

    /// Turns the whole head into blocks, and archives idle series. The background thread does so by itself
    /// when the head is old or large.
    Expected<void> compact();
    /// Deletes windows, series and documents that are past their retention, and as many of the oldest windows
    /// as the file is too large. Done hourly by itself, and after each compaction.
    Expected<void> expire();
    /// Bounds the pages of the file from now on: a full disk, for tests. 0: no bound.
    Expected<void> limitPages(std::int64_t pages);

  private:
    SqliteStore(StoreOptions options, std::unique_ptr<Database> database);
    Expected<void> load();
    Expected<void> reviveLogged(const WriteAccess& access, const Head& head,
                                SeriesCatalog::TimeRanges& ranges);
    std::string trouble() const;
    std::optional<Salvaged> salvaged() const;

    const StoreOptions options_;
    const std::unique_ptr<Database> database_;
    SeriesCatalog catalog_;
    Heads heads_;
    DamagedBlocks damaged_;
    std::optional<Salvaged> salvaged_;
    LogTable log_;
    Documents documents_;
    Writer writer_;
    Querier querier_;
    Compactor compactor_;
    IdleSeries idle_;
    Retention retention_;
    SeriesDeleter deleter_;
    Maintenance maintenance_;
};

}  // namespace lapwing::storage
