#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/head.h"
#include "collector/storage/paged_vector.h"
#include "collector/storage/series_index.h"
#include "collector/storage/store.h"
#include "collector/storage/time_range.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// A head that grows no more: compaction makes blocks of it.
struct FrozenHead {
    Head head;
    std::uint64_t seq = 0;  ///< of the newest log entry in it
};

/// The samples in memory, and of every active series the time range and when a sample last arrived. Samples
/// are appended to one head; during a compaction a frozen head exists beside it. Changes need the write
/// mutex; readers wait for a copy of a few compressed bytes at most. Thread-safe.
class Heads {
  public:
    Heads(const StoreOptions& options, Database& database) : options_(options), database_(database) {}
    Heads(const Heads&) = delete;
    Heads& operator=(const Heads&) = delete;

    /// What a start found: the head that the arrival log makes, and the time ranges of samples in blocks.
    /// Error `internal` if the head has a series that `index` does not know.
    Expected<void> load(const WriteAccess& access, const SeriesIndex& index, Head replayed,
                        const std::vector<std::pair<SeriesId, TimeRange>>& ranges);

    /// Appends a batch, none of whose samples the store has already.
    void append(const WriteAccess& access, std::span<const SeriesBatch> batch);
    /// Makes the head that grows the frozen one, unless it is empty.
    void freeze(const WriteAccess& access, std::uint64_t seq);
    /// The frozen head's samples are in blocks now.
    void dropFrozen(const WriteAccess& access);
    void setTimeRanges(const WriteAccess& access, const std::vector<std::pair<SeriesId, TimeRange>>& ranges);
    /// The series comes back from the archive.
    void add(const WriteAccess& access, SeriesId id, const TimeRange& range);
    /// The series are deleted or archived.
    void forget(const WriteAccess& access, const std::vector<SeriesId>& gone);

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
        return ranges_[id];
    }
    /// No sample of the series has arrived for an hour, and none of its samples is in memory.
    bool isIdle(const WriteAccess& access, SeriesId id) const;

  private:
    /// The present time in seconds, for arrivals_.
    std::uint32_t now() const { return static_cast<std::uint32_t>(options_.steady() / 1000); }

    const StoreOptions& options_;
    Database& database_;
    mutable Mutex mutex_;
    Head head_ LAPWING_GUARDED_BY(mutex_);
    std::shared_ptr<const FrozenHead> frozen_ LAPWING_GUARDED_BY(mutex_);
    PagedVector<TimeRange> ranges_ LAPWING_GUARDED_BY(mutex_);
    /// When a sample last arrived, or the series came into memory; in seconds.
    PagedVector<std::uint32_t> arrivals_ LAPWING_GUARDED_BY(database_.write_mutex);
    std::atomic<std::size_t> samples_{0};  ///< in head_
};

}  // namespace lapwing::storage
