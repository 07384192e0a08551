#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/queryable.h"
#include "collector/storage/time_range.h"

namespace lapwing::storage {

/// A series whose labels are not in memory.
struct ArchivedSeries {
    SeriesId id = 0;
    GroupId group = 0;
    TimeRange range;
    Labels labels;
};

/// The archived series, in the table `archived`: kept, because they have samples, but not active, so that
/// memory does not have their labels. Queries read the table only if they reach back to the newest sample of
/// an archived series. Thread-safe.
class SeriesArchive {
  public:
    explicit SeriesArchive(Database& database) : database_(database) {}

    /// False for a file of version 1, which is migrated after everything has been read.
    static bool isInFile(const WriteAccess& access);
    /// Reads the table, once, before anything else. Returns how many series each group has here.
    Expected<std::map<GroupId, std::size_t>> load(const WriteAccess& access);
    Expected<void> prepare(const WriteAccess& access);

    std::size_t size() const { return size_; }
    /// No archived series has a sample after this time.
    TimestampMs newest() const { return newest_; }

    /// The series with these labels.
    Expected<std::optional<ArchivedSeries>> find(const WriteAccess& access, const Labels& labels);
    Expected<std::optional<ArchivedSeries>> get(const WriteAccess& access, SeriesId id);
    /// Moves series from the table `series`, in a transaction.
    Expected<void> put(const WriteAccess& access, const std::vector<ArchivedSeries>& series);
    /// Moves a series back, with another time range, in a transaction.
    Expected<void> takeBack(const WriteAccess& access, SeriesId id, const TimeRange& range);
    Expected<void> putTimeRange(const WriteAccess& access, SeriesId id, const TimeRange& range);
    /// Deletes a series, in a transaction. Returns its group; nothing if it is not here.
    Expected<std::optional<GroupId>> erase(const WriteAccess& access, SeriesId id);
    /// Counts the series again, after a transaction that failed.
    void recount(const WriteAccess& access);
    /// Up to `most` series whose last sample is before `before`.
    Expected<std::vector<SeriesId>> endedBefore(const WriteAccess& access, TimestampMs before,
                                                std::size_t most) const;
    /// The digests that these series name.
    Expected<std::vector<std::string>> digests(const WriteAccess& access) const;

    /// Calls `use` for each series that meets any of the sets of matchers (none: all) and may have samples in
    /// [from, to], as `connection` sees them. `use` may end the search by an error.
    static Expected<void> select(Connection& connection, const std::vector<Matchers>& any, TimestampMs from,
                                 TimestampMs to, const std::function<Expected<void>(ArchivedSeries)>& use);
    /// The labels of any series, archived or not; nothing if it does not exist.
    static Expected<std::optional<Labels>> labels(Connection& connection, SeriesId id);

  private:
    Database& database_;
    std::atomic<std::size_t> size_{0};
    std::atomic<TimestampMs> newest_{INT64_MIN};
    Statement find_ LAPWING_GUARDED_BY(database_.write_mutex);
    Statement erase_ LAPWING_GUARDED_BY(database_.write_mutex);
};

}  // namespace lapwing::storage
