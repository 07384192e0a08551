#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/head.h"
#include "collector/storage/series_index.h"
#include "collector/storage/time_range.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// A head that grows no more: compaction makes blocks of it.
struct FrozenHead {
    Head head;
    std::uint64_t seq = 0;  ///< of the newest log entry in it
};

/// The samples in memory, and the time range of every series. Samples are appended to one head; during a
/// compaction a frozen head exists beside it. Changes need the write mutex; readers wait for a copy of a few
/// compressed bytes at most. Thread-safe.
class Heads {
  public:
    explicit Heads(Database& database) : database_(database) {}
    Heads(const Heads&) = delete;
    Heads& operator=(const Heads&) = delete;

    /// What a start found: the head that the arrival log makes, and the time ranges of samples in blocks.
    /// Error `internal` if the head has a series that `index` does not know.
    Expected<void> load(const WriteAccess& access, const SeriesIndex& index, Head replayed,
                        std::vector<TimeRange> ranges);

    /// Makes room for series with ids below `end`, before they are in the index.
    void grow(const WriteAccess& access, SeriesId end);
    /// Appends a batch, none of whose samples the store has already.
    void append(const WriteAccess& access, std::span<const SeriesBatch> batch);
    /// Makes the head that grows the frozen one, unless it is empty. `end`: ids below it get room in the new
    /// head.
    void freeze(const WriteAccess& access, std::uint64_t seq, SeriesId end);
    /// The frozen head's samples are in blocks now.
    void dropFrozen(const WriteAccess& access);
    void setTimeRanges(const WriteAccess& access, const std::vector<std::pair<SeriesId, TimeRange>>& ranges);
    /// The series are deleted.
    void forgetTimeRanges(const WriteAccess& access, const std::vector<SeriesId>& gone);

    /// Null if no head is frozen.
    std::shared_ptr<const FrozenHead> frozen() const;
    TimeRange timeRange(SeriesId id) const;
    /// Removes the series from `ids` that have no sample in [from, to].
    void keepOverlapping(std::vector<SeriesId>& ids, TimestampMs from, TimestampMs to) const;
    /// Calls `use(id, part of the frozen head, part of the head)` for each of `ids` that may have samples in
    /// [from, to]. All parts are of the same moment. `use` runs with a mutex held.
    template <class Use>
    void copy(std::span<const SeriesId> ids, TimestampMs from, TimestampMs to, Use use) const {
        const MutexLock lock(mutex_);
        for (const auto id : ids) {
            if (ranges_[id].overlaps(from, to)) {
                use(id, frozen_ ? frozen_->head.copy(id, from, to) : HeadPart(), head_.copy(id, from, to));
            }
        }
    }

    /// The head has so many samples that it should be compacted now, in a store of `series` series.
    bool large(std::size_t series) const;

    // For writers, without the mutex: only a holder of the write mutex changes heads and time ranges.
    const Head& head(const WriteAccess&) const LAPWING_NO_THREAD_SAFETY_ANALYSIS { return head_; }
    const FrozenHead* frozen(const WriteAccess&) const LAPWING_NO_THREAD_SAFETY_ANALYSIS {
        return frozen_.get();
    }
    TimeRange timeRange(const WriteAccess&, SeriesId id) const LAPWING_NO_THREAD_SAFETY_ANALYSIS {
        return id < ranges_.size() ? ranges_[id] : TimeRange{};
    }

  private:
    Database& database_;
    mutable Mutex mutex_;
    Head head_ LAPWING_GUARDED_BY(mutex_);
    std::shared_ptr<const FrozenHead> frozen_ LAPWING_GUARDED_BY(mutex_);
    std::vector<TimeRange> ranges_ LAPWING_GUARDED_BY(mutex_);  ///< by series
    std::atomic<std::size_t> samples_{0};                       ///< in head_
};

}  // namespace lapwing::storage
