#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/series_archive.h"
#include "collector/storage/series_budget.h"
#include "collector/storage/series_index.h"
#include "collector/storage/time_range.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The series and groups that a commit creates. Invisible to others until the commit.
struct NewSeries {
    struct Series {
        SeriesId id = 0;
        GroupId group = 0;
        std::size_t label_bytes = 0;
        const Labels* labels = nullptr;  ///< a key of `ids`
    };
    struct Group {
        GroupId id = 0;
        std::string sender;
        std::string host;
    };
    std::vector<Series> series;
    std::vector<Group> groups;
    std::unordered_map<Labels, SeriesId, LabelsHash> ids;
};

/// Which series exist. Active ones are in memory, in the index of their labels; the others are in the
/// archive. Each series is in a group (the series of one sender and host, whose samples share blocks). Gives
/// new series their numbers, and writes the tables `series` and `groups`. Thread-safe.
class SeriesCatalog {
  public:
    SeriesCatalog(const StoreOptions& options, Database& database);
    SeriesCatalog(const SeriesCatalog&) = delete;
    SeriesCatalog& operator=(const SeriesCatalog&) = delete;

    mutable SharedMutex mutex;  ///< guards the index; readers share it
    const SeriesIndex& index() const LAPWING_REQUIRES_SHARED(mutex) { return *index_; }
    /// The same for writers, without the mutex: only a holder of the write mutex changes the index.
    const SeriesIndex& index(const WriteAccess&) const LAPWING_NO_THREAD_SAFETY_ANALYSIS { return *index_; }

    /// One more than the highest id in the table `series`.
    static Expected<SeriesId> endInTable(const WriteAccess& access);
    /// Reads the tables, once, before anything else. Returns the time ranges of the active series' samples in
    /// blocks.
    using TimeRanges = std::vector<std::pair<SeriesId, TimeRange>>;
    Expected<TimeRanges> load(const WriteAccess& access, SeriesId end);
    Expected<void> prepare(const WriteAccess& access);

    /// The labels of an active series; null for any other.
    std::shared_ptr<const Labels> labels(SeriesId id) const;
    const SeriesArchive& archived() const { return archive_; }
    SeriesBudget& budget() { return budget_; }
    const SeriesBudget& budget() const { return budget_; }
    /// The number of series, active or not.
    std::size_t size() const { return kept_; }

    /// One more than the highest id that was ever given to a series.
    SeriesId end(const WriteAccess& access) const;
    /// Gives a new series an id and a group. `labels` are neither in the index, nor in the archive, nor in
    /// `created`.
    SeriesId create(const WriteAccess& access, const std::string& sender, const Labels& labels,
                    NewSeries& created);
    /// Looks in the archive.
    Expected<std::optional<ArchivedSeries>> findArchived(const WriteAccess& access, const Labels& labels) {
        return archive_.find(access, labels);
    }
    Expected<std::optional<ArchivedSeries>> getArchived(const WriteAccess& access, SeriesId id) {
        return archive_.get(access, id);
    }
    /// Makes an archived series active again, in memory at once. The archive has it until its time range is
    /// written, so that at no moment a query finds it in neither.
    void revive(const WriteAccess& access, const ArchivedSeries& series);
    /// Moves rows to the archive, in a transaction of its own. The series stay active until retire().
    Expected<void> archive(const WriteAccess& access, const TimeRanges& series);
    /// An active series has been moved.
    bool isArchived(const WriteAccess& access, SeriesId id) const;
    /// Removes series from memory that the archive has. `gone` is ascending.
    void retire(const WriteAccess& access, const std::vector<SeriesId>& gone);
    /// Writes new series to the tables. In a transaction.
    Expected<void> insert(const WriteAccess& access, const NewSeries& created);
    /// The transaction is committed: adds them to the index.
    void publish(const WriteAccess& access, const NewSeries& created);
    /// The transaction failed: takes the ids and groups back.
    void withdraw(const WriteAccess& access, const NewSeries& created);

    /// Writes the time ranges of series to the table, in a transaction of its own.
    Expected<void> putTimeRanges(const WriteAccess& access, const TimeRanges& ranges);
    /// Deletes series, active or not, in a transaction of its own. `gone` is ascending. Their ids are not
    /// given again.
    Expected<void> erase(const WriteAccess& access, const std::vector<SeriesId>& gone);
    /// Deletes the archived series whose last sample is before `before`, some at a time. False when none is
    /// left.
    Expected<bool> expireArchived(const WriteAccess& access, TimestampMs before);

  private:
    /// The groups of one sender and host.
    struct Host {
        std::string sender;
        std::vector<GroupId> groups;  ///< several for a host with very many series
        std::size_t active = 0;
    };
    struct Group {
        Host* host = nullptr;
        std::size_t kept = 0;  ///< series, active or not
    };
    using HostKey = std::pair<std::string, std::string>;

    Expected<void> loadGroups(const WriteAccess& access);
    /// Counts a series that becomes active, or ceases to be.
    void countActive(const WriteAccess& access, GroupId group, std::size_t label_bytes);
    void uncountActive(const WriteAccess& access, GroupId group, std::size_t label_bytes);
    Expected<void> forgetKept(const WriteAccess& access, const std::vector<GroupId>& groups_of_gone);
    void removeFromMemory(const WriteAccess& access, const std::vector<SeriesId>& gone);

    Database& database_;
    std::atomic<std::size_t> kept_{0};
    SeriesArchive archive_;
    SeriesBudget budget_;
    std::unique_ptr<SeriesIndex> index_ LAPWING_GUARDED_BY(mutex) LAPWING_PT_GUARDED_BY(mutex);
    std::map<HostKey, Host> hosts_ LAPWING_GUARDED_BY(database_.write_mutex);
    std::unordered_map<GroupId, Group> groups_ LAPWING_GUARDED_BY(database_.write_mutex);
    /// Active series whose rows are in the archive.
    std::unordered_set<SeriesId> revived_ LAPWING_GUARDED_BY(database_.write_mutex);
    GroupId next_group_ LAPWING_GUARDED_BY(database_.write_mutex) = 1;
    SeriesId next_series_ LAPWING_GUARDED_BY(database_.write_mutex) = 1;
    Statement insert_group_ LAPWING_GUARDED_BY(database_.write_mutex);
    Statement insert_series_ LAPWING_GUARDED_BY(database_.write_mutex);
};

}  // namespace lapwing::storage
