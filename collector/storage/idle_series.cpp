#include "collector/storage/idle_series.h"

#include <algorithm>
#include <vector>

namespace lapwing::storage {
namespace {

/// So many rows move in one transaction, so that other writers do not wait long.
constexpr std::size_t kMovedAtOnce = 500;
/// Removing series makes the index anew, so a smaller part of it waits for more.
constexpr std::size_t kLeastPart = 20;

}  // namespace

Expected<void> IdleSeries::archive(const RewriteLock& /*lock*/) {
    const auto idle = find();
    for (std::size_t first = 0; first < idle.size(); first += kMovedAtOnce) {
        const WriteAccess access(database_);
        SeriesCatalog::TimeRanges part;
        for (std::size_t i = first; i < std::min(idle.size(), first + kMovedAtOnce); ++i) {
            if (heads_.isIdle(access, idle[i]) && catalog_.index(access).contains(idle[i])) {
                part.emplace_back(idle[i], heads_.timeRange(access, idle[i]));
            }
        }
        if (auto moved = catalog_.archive(access, part); !moved) {
            return moved;
        }
    }
    if (idle.empty()) {
        return {};
    }
    const WriteAccess access(database_);
    std::vector<SeriesId> gone;
    for (const auto id : idle) {
        if (heads_.isIdle(access, id) && catalog_.isArchived(access, id)) {
            gone.push_back(id);
        }
    }
    catalog_.retire(access, gone);
    heads_.forget(access, gone);
    return {};
}

std::vector<SeriesId> IdleSeries::find() const {
    const WriteAccess access(database_);
    const SeriesIndex& index = catalog_.index(access);
    auto ids = index.all();
    std::erase_if(ids, [&](SeriesId id) { return !heads_.isIdle(access, id); });
    if (ids.size() < index.size() / kLeastPart) {
        ids.clear();
    }
    return ids;
}

}  // namespace lapwing::storage
