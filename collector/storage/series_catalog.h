#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/series_index.h"
#include "collector/storage/time_range.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The series and groups that a commit creates. Invisible to others until the commit.
struct NewSeries {
    struct Series {
        SeriesId id = 0;
        GroupId group = 0;
        std::string host;
        const Labels* labels = nullptr;  ///< a key of `ids`
    };
    struct Group {
        GroupId id = 0;
        std::string host;
    };
    std::vector<Series> series;
    std::vector<Group> groups;
    std::unordered_map<Labels, SeriesId, LabelsHash> ids;
};

/// Which series exist: the index of their labels, their groups (the series of one host, whose samples share
/// blocks), the numbers for new ones, and the tables `series` and `groups`. Thread-safe.
class SeriesCatalog {
  public:
    explicit SeriesCatalog(Database& database);
    SeriesCatalog(const SeriesCatalog&) = delete;
    SeriesCatalog& operator=(const SeriesCatalog&) = delete;

    mutable SharedMutex mutex;  ///< guards the index; readers share it
    const SeriesIndex& index() const LAPWING_REQUIRES_SHARED(mutex) { return *index_; }
    /// The same for writers, without the mutex: only a holder of the write mutex changes the index.
    const SeriesIndex& index(const WriteAccess&) const LAPWING_NO_THREAD_SAFETY_ANALYSIS { return *index_; }

    /// One more than the highest id in the table `series`.
    static Expected<SeriesId> endInTable(const WriteAccess& access);
    /// Reads the tables, once, before anything else. Returns the time ranges of the series' samples in
    /// blocks, by id.
    Expected<std::vector<TimeRange>> load(const WriteAccess& access, SeriesId end);
    Expected<void> prepare(const WriteAccess& access);

    /// One more than the highest id that was ever given to a series.
    SeriesId end(const WriteAccess& access) const;
    /// Gives a new series an id and a group. `labels` are in neither the index nor `created`.
    SeriesId create(const WriteAccess& access, const Labels& labels, NewSeries& created);
    /// Writes new series to the tables. In a transaction.
    Expected<void> insert(const WriteAccess& access, const NewSeries& created);
    /// The transaction is committed: adds them to the index.
    void publish(const WriteAccess& access, const NewSeries& created);
    /// The transaction failed: takes the ids and groups back.
    void withdraw(const WriteAccess& access, const NewSeries& created);

    /// Writes the time ranges of series to the table, in a transaction of its own.
    Expected<void> putTimeRanges(const WriteAccess& access,
                                 const std::vector<std::pair<SeriesId, TimeRange>>& ranges);
    /// Deletes series, in a transaction of its own. `gone` is ascending. Their ids are not given again.
    Expected<void> erase(const WriteAccess& access, const std::vector<SeriesId>& gone);

  private:
    struct Host {
        std::vector<GroupId> groups;  ///< several for a host with very many series
        std::size_t series = 0;
    };

    Expected<std::unordered_map<GroupId, Host*>> loadGroups(const WriteAccess& access);
    void regroup(const WriteAccess& access, const SeriesIndex& left);

    Database& database_;
    std::unique_ptr<SeriesIndex> index_ LAPWING_GUARDED_BY(mutex) LAPWING_PT_GUARDED_BY(mutex);
    std::unordered_map<std::string, Host> hosts_ LAPWING_GUARDED_BY(database_.write_mutex);
    GroupId next_group_ LAPWING_GUARDED_BY(database_.write_mutex) = 1;
    SeriesId next_series_ LAPWING_GUARDED_BY(database_.write_mutex) = 1;
    Statement insert_group_ LAPWING_GUARDED_BY(database_.write_mutex);
    Statement insert_series_ LAPWING_GUARDED_BY(database_.write_mutex);
};

}  // namespace lapwing::storage
