#include "collector/storage/damaged_blocks.h"

#include <algorithm>

namespace lapwing::storage {

Expected<void> DamagedBlocks::load(const WriteAccess& access) {
    auto query = access.connection().prepare("SELECT id FROM chunks WHERE id < 0", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    const MutexLock lock(mutex_);
    for (;;) {
        const auto row = query->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
        rows_.insert(-query->integer(0));
    }
}

Expected<void> DamagedBlocks::setAside(std::int64_t row) {
    const WriteAccess access(database_);
    access.blocks().release();
    {
        // Before the commit: a query that no longer finds the block must know where it is.
        const MutexLock lock(mutex_);
        rows_.insert(row);
    }
    return access.transaction([&]() -> Expected<void> {
        auto move = access.connection().prepare("UPDATE OR REPLACE chunks SET id = -id WHERE id = ?1", false);
        if (!move) {
            return tl::unexpected(move.error());
        }
        return move->bind(1, row).run();
    });
}

Expected<void> DamagedBlocks::erase(const WriteAccess& access, std::int64_t row) {
    auto erased = access.connection().prepare("DELETE FROM chunks WHERE id = ?1", false);
    return erased ? erased->bind(1, -row).run() : tl::unexpected(erased.error());
}

void DamagedBlocks::forget(std::int64_t first, std::int64_t last) {
    const MutexLock lock(mutex_);
    rows_.erase(rows_.lower_bound(first), rows_.upper_bound(last));
}

std::set<std::int64_t> DamagedBlocks::rows() const {
    const MutexLock lock(mutex_);
    return rows_;
}

std::size_t DamagedBlocks::size() const {
    const MutexLock lock(mutex_);
    return rows_.size();
}

bool DamagedBlocks::inGroup(GroupId group) const {
    const MutexLock lock(mutex_);
    return std::any_of(rows_.begin(), rows_.end(),
                       [group](std::int64_t row) { return groupOfRow(row) == group; });
}

}  // namespace lapwing::storage
