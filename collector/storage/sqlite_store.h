#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>
#include <unordered_map>

#include "collector/storage/head.h"
#include "collector/storage/reader_pool.h"
#include "collector/storage/schema.h"
#include "collector/storage/series_index.h"
#include "collector/storage/store.h"

namespace lapwing::storage {

/// The Store on SQLite.
///
/// A batch is checked against what its series hold, written to the arrival log and, once that is committed,
/// added to the head in memory. Callers that come at the same moment share one commit: the first of them
/// makes it for all. From time to time a background thread turns the head into blocks and shortens the log; a
/// crash in between leaves samples in both, which reading and the next compaction merge.
///
/// Locks, always taken in this order:
///   compact_mutex_  compaction and retention: one at a time
///   write_mutex_    the writing connection, and every change of what follows
///   index_mutex_    shared to read the index; alone to change it
///   head_mutex_     heads and spans; whoever holds write_mutex_ may read them without it
class SqliteStore final : public Store {
  public:
    static Expected<std::unique_ptr<SqliteStore>> open(StoreOptions options);
    ~SqliteStore() override;
    SqliteStore(const SqliteStore&) = delete;
    SqliteStore& operator=(const SqliteStore&) = delete;

    Expected<std::vector<SeriesSamples>> select(const Matchers& matchers, TimestampMs from, TimestampMs to,
                                                const ReadLimits& limits) const override;
    Expected<std::vector<Labels>> series(const std::vector<Matchers>& any, TimestampMs from,
                                         TimestampMs to) const override;
    Expected<std::vector<std::string>> labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override;
    Expected<std::vector<std::string>> labelValues(const std::string& name, const std::vector<Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override;

    using Store::append;
    Expected<AppendResult> append(std::span<BatchSeries> batch) override;
    Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) override;
    Expected<void> putDocument(const Document& document) override;
    Expected<std::optional<Document>> document(const std::string& digest) const override;
    Expected<void> putState(const std::string& name, const std::string& value) override;
    Expected<std::optional<std::string>> state(const std::string& name) const override;
    StoreStats stats() const override;

    Expected<std::vector<LoggedBatch>> readLog(std::uint64_t after, std::size_t max_samples) const override;
    LogEnd logEnd() const override;
    Expected<std::uint64_t> logBytes(std::uint64_t after, std::uint64_t last) const override;
    std::map<std::string, std::uint64_t> logCursors() const override;
    Expected<void> putLogCursor(const std::string& reader, std::uint64_t seq) override;
    Expected<void> dropLogCursor(const std::string& reader) override;

    /// Turns the whole head into blocks. The background thread does so by itself when the head is old or
    /// large.
    Expected<void> compact();
    /// Deletes windows, series and documents that are past their retention, and as many of the oldest windows
    /// as the file is too large. Done hourly by itself, and after each compaction.
    Expected<void> expire();
    /// At most so many pages from now on: a disk that is full, for tests. 0: as large as it likes.
    Expected<void> limitPages(std::int64_t pages);

  private:
    /// What is known of a series' samples, wherever they are. No sample yet: oldest > newest.
    struct Span {
        TimestampMs oldest = INT64_MAX;
        TimestampMs newest = INT64_MIN;

        void widen(TimestampMs first, TimestampMs last) {
            oldest = std::min(oldest, first);
            newest = std::max(newest, last);
        }
    };
    struct Pending;
    struct Staged;
    struct Round;
    /// Series of one host; a host with very many gets several groups.
    struct Host {
        std::vector<GroupId> groups;
        std::size_t series = 0;
    };
    struct Wanted;

    SqliteStore(StoreOptions options, FileLock lock, Connection writer);
    Expected<void> load();
    Expected<void> loadSeries(SeriesId end);
    Expected<void> loadCursors();
    Expected<void> loadSetAside();
    Expected<void> replayLog(SeriesId end);
    Expected<void> noteReplayed();
    Expected<void> prepareStatements();

    std::size_t commitRound(std::vector<Pending*>& pending) noexcept;
    bool mustWait(std::span<const BatchSeries> batch, const Round& round) const;
    Expected<Staged> stage(std::span<const BatchSeries> batch, Round& round);
    std::optional<SeriesId> identify(const Labels& labels, std::span<const Sample> samples, Round& round,
                                     AppendResult& result);
    Expected<std::size_t> sift(SeriesId id, const Labels* labels, std::span<Sample> samples,
                               AppendResult& result);
    Expected<std::vector<Sample>> readStored(SeriesId id, TimestampMs from, TimestampMs to);
    SeriesId createSeries(const Labels& labels, Round& round);
    Expected<void> write(const Round& round);
    void apply(const Round& round);
    void forget(const Round& round);
    Expected<void> transaction(const std::function<Expected<void>()>& body);

    std::vector<SeriesId> matching(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) const;
    Expected<void> readBlocks(std::vector<Wanted>& wanted, TimestampMs from, TimestampMs to,
                              const ReadLimits& limits) const;
    Expected<void> readSetAside(Reader& reader, std::vector<Wanted>& wanted, TimestampMs from,
                                TimestampMs to) const;

    // These need compact_mutex_.
    Expected<void> compactHead();
    Expected<void> expireOld();
    Expected<std::int64_t> oldestWindow();
    Expected<void> withRoom(const std::function<Expected<void>()>& work);
    Expected<void> dropWindow(std::int64_t window, std::uint64_t& samples);
    Expected<std::int64_t> dropForSize();
    Expected<void> dropSeries(const std::vector<SeriesId>& gone);
    Expected<void> shrinkFile();
    struct Deletion;
    Expected<void> deleteFromBlock(const Deletion& deletion, std::int64_t row);
    Expected<std::string> cutBlock(const Deletion& deletion, std::int64_t row) const;
    Expected<std::vector<std::int64_t>> blocksOf(const Deletion& deletion) const;
    Expected<Span> remaining(const Deletion& deletion, GroupId group, SeriesId id, Span span) const;
    Expected<void> finishDeletion(const Deletion& deletion);
    Expected<void> setAside(std::int64_t row);

    /// Keeps what went wrong for stats().
    Expected<void> noted(Expected<void> done);
    /// With write_mutex_ held: entries up to `seq` are in blocks, and are not replayed any more.
    Expected<void> markCompacted(std::int64_t seq);
    /// Deletes entries up to `compacted` that every reader has passed.
    Expected<void> shortenLog(std::int64_t compacted);
    Expected<void> compactGroup(GroupId group, const std::vector<SeriesId>& ids);
    Expected<std::string> mergeBlock(std::int64_t row, const std::vector<SeriesId>& ids) const;
    Expected<void> expireSeries(TimestampMs before);
    Expected<void> expireDocuments(TimestampMs before);

    void maintain();
    /// With write_mutex_ held: sets head_large_.
    void weighHead();
    void committed();
    void syncLog();
    void checkpoint();

    const StoreOptions options_;
    FileLock lock_;

    std::mutex compact_mutex_;
    mutable std::mutex write_mutex_;
    Connection writer_;
    BlockTable writer_blocks_;
    Statement begin_;
    Statement commit_;
    Statement insert_group_;
    Statement insert_series_;
    Statement insert_log_;
    std::unordered_map<std::string, Host> hosts_;
    GroupId next_group_ = 1;
    SeriesId next_series_ = 1;
    std::int64_t last_seq_ = 0;
    std::uint64_t written_bytes_ = 0;               ///< to the log, since the start
    std::map<std::string, std::uint64_t> cursors_;  ///< readers of the log
    std::vector<std::uint32_t> staged_by_;          ///< by series: the batch that last touched it
    std::vector<std::uint32_t> staged_at_;          ///< and where in that batch
    std::uint32_t batch_number_ = 0;

    mutable std::shared_mutex index_mutex_;
    std::unique_ptr<SeriesIndex> index_;

    mutable std::mutex head_mutex_;
    Head head_;
    Head frozen_;  ///< what is being compacted
    std::int64_t frozen_seq_ = 0;
    std::uint64_t logged_bytes_ = 0;    ///< written_bytes_, up to seq_
    std::vector<Span> spans_;           ///< by series
    std::set<std::int64_t> set_aside_;  ///< rows of damaged blocks; each is kept as the row -row

    mutable ReaderPool readers_;

    std::mutex queue_mutex_;
    std::condition_variable round_done_;
    std::vector<Pending*> queue_;
    bool round_running_ = false;

    std::atomic<std::uint64_t> samples_stored_{0};
    std::atomic<std::uint64_t> seq_{0};  ///< of the newest entry that is in the head
    std::atomic<std::uint64_t> over_series_limit_{0};
    std::atomic<std::uint64_t> size_dropped_samples_{0};
    std::atomic<TimestampMs> size_dropped_before_{0};
    std::atomic<bool> sync_failed_{false};
    mutable std::mutex trouble_mutex_;
    std::string trouble_;

    std::mutex maintain_mutex_;
    std::condition_variable maintain_wake_;
    bool stopping_ = false;
    bool unsynced_ = false;
    std::chrono::steady_clock::time_point sync_due_;
    std::chrono::steady_clock::time_point compact_due_;
    std::atomic<bool> head_large_{false};
    std::atomic<int> wal_pages_{0};
    int wal_descriptor_ = -1;
    std::thread maintainer_;
};

}  // namespace lapwing::storage
