#include "collector/storage/heads.h"

#include <algorithm>

namespace lapwing::storage {
namespace {

/// A head is compacted when replaying its log would take too long, but not before it has this many samples of
/// each series: every compaction rewrites the newest block of every host.
constexpr std::size_t kLargeHead = 500'000;
constexpr std::size_t kSamplesPerSeries = 80;

}  // namespace

Expected<void> Heads::load(const WriteAccess& access, const SeriesIndex& index, Head replayed,
                           std::vector<TimeRange> ranges) {
    access.assertHeld(database_);
    for (SeriesId id = 0; id < replayed.end(); ++id) {
        if (!replayed.contains(id)) {
            continue;
        }
        if (!index.contains(id)) {
            return unknownInLog(id);
        }
        ranges[id].widen(replayed.oldest(id), replayed.newest(id));
    }
    const MutexLock lock(mutex_);
    head_ = std::move(replayed);
    ranges_ = std::move(ranges);
    samples_ = head_.samples();
    return {};
}

void Heads::grow(const WriteAccess& access, SeriesId end) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    ranges_.resize(std::max<std::size_t>(ranges_.size(), end));
}

void Heads::append(const WriteAccess& access, std::span<const SeriesBatch> batch) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    for (const auto& series : batch) {
        head_.append(series.id, series.samples);
        ranges_[series.id].widen(series.samples.front().timestamp, series.samples.back().timestamp);
    }
    samples_ = head_.samples();
}

void Heads::freeze(const WriteAccess& access, std::uint64_t seq, SeriesId end) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    if (head_.empty()) {
        return;
    }
    frozen_ = std::make_shared<const FrozenHead>(FrozenHead{std::exchange(head_, Head()), seq});
    head_.reserve(end);
    samples_ = 0;
}

void Heads::dropFrozen(const WriteAccess& access) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    frozen_.reset();
}

void Heads::setTimeRanges(const WriteAccess& access,
                          const std::vector<std::pair<SeriesId, TimeRange>>& ranges) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    for (const auto& [id, range] : ranges) {
        ranges_[id] = range;
    }
}

void Heads::forgetTimeRanges(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    for (const auto id : gone) {
        ranges_[id] = TimeRange{};
    }
}

std::shared_ptr<const FrozenHead> Heads::frozen() const {
    const MutexLock lock(mutex_);
    return frozen_;
}

TimeRange Heads::timeRange(SeriesId id) const {
    const MutexLock lock(mutex_);
    return ranges_[id];
}

void Heads::keepOverlapping(std::vector<SeriesId>& ids, TimestampMs from, TimestampMs to) const {
    const MutexLock lock(mutex_);
    std::erase_if(ids, [&](SeriesId id) LAPWING_REQUIRES(mutex_) { return !ranges_[id].overlaps(from, to); });
}

bool Heads::large(std::size_t series) const {
    return samples_ > std::max(kLargeHead, kSamplesPerSeries * series);
}

}  // namespace lapwing::storage
