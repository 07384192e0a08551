#include "collector/storage/heads.h"

#include <algorithm>

namespace lapwing::storage {
namespace {

/// A head is compacted when replaying its log would take too long, but not before it has this many samples of
/// each series: every compaction rewrites the newest block of every host.
constexpr std::size_t kLargeHead = 500'000;
constexpr std::size_t kSamplesPerSeries = 80;
constexpr std::uint32_t kIdleSeconds = 3600;

}  // namespace

Expected<void> Heads::load(const WriteAccess& access, const SeriesIndex& index, Head replayed,
                           const std::vector<std::pair<SeriesId, TimeRange>>& ranges) {
    access.assertHeld(database_);
    std::vector<SeriesId> logged;
    replayed.forEachSeries([&](SeriesId id) { logged.push_back(id); });
    const MutexLock lock(mutex_);
    for (const auto& [id, range] : ranges) {
        ranges_.at(id) = range;
        arrivals_.at(id) = now();
    }
    for (const auto id : logged) {
        if (!index.contains(id)) {
            return unknownInLog(id);
        }
        ranges_.at(id).widen(replayed.oldest(id), replayed.newest(id));
    }
    head_ = std::move(replayed);
    samples_ = head_.samples();
    return {};
}

void Heads::append(const WriteAccess& access, std::span<const SeriesBatch> batch) {
    access.assertHeld(database_);
    const auto arrival = now();
    const MutexLock lock(mutex_);
    for (const auto& series : batch) {
        head_.append(series.id, series.samples);
        arrivals_.at(series.id) = arrival;
        ranges_.at(series.id).widen(series.samples.front().timestamp, series.samples.back().timestamp);
    }
    samples_ = head_.samples();
}

void Heads::freeze(const WriteAccess& access, std::uint64_t seq) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    if (head_.empty()) {
        return;
    }
    frozen_ = std::make_shared<const FrozenHead>(FrozenHead{std::exchange(head_, Head()), seq});
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
        ranges_.at(id) = range;
    }
}

void Heads::add(const WriteAccess& access, SeriesId id, const TimeRange& range) {
    access.assertHeld(database_);
    arrivals_.at(id) = now();
    const MutexLock lock(mutex_);
    ranges_.at(id) = range;
}

bool Heads::isIdle(const WriteAccess& access, SeriesId id) const {
    access.assertHeld(database_);
    const auto* frozen_head = frozen(access);
    return !head(access).contains(id) && (frozen_head == nullptr || !frozen_head->head.contains(id)) &&
           now() - arrivals_[id] >= kIdleSeconds;
}

void Heads::forget(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    for (const auto id : gone) {
        ranges_.erase(id);
        arrivals_.erase(id);
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
