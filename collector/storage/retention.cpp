#include "collector/storage/retention.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

namespace lapwing::storage {

Retention::Retention(const StoreOptions& options, Database& database, SeriesCatalog& catalog, Heads& heads,
                     DamagedBlocks& damaged, Documents& documents)
    : options_(options),
      database_(database),
      catalog_(catalog),
      heads_(heads),
      damaged_(damaged),
      documents_(documents) {}

Expected<void> Retention::expire(const RewriteLock& /*lock*/) {
    std::int64_t first_kept = 0;
    if (options_.retention_ms > 0) {
        const auto kept = dropOldWindows();
        if (!kept) {
            return tl::unexpected(kept.error());
        }
        first_kept = *kept;
    }
    if (options_.retention_bytes > 0) {
        const auto kept = dropForSize();
        if (!kept) {
            return tl::unexpected(kept.error());
        }
        first_kept = std::max(first_kept, *kept);
    }
    if (first_kept == 0) {
        return {};
    }
    auto done = expireSeries(first_kept * kWindowMs);
    if (done) {
        done = expireDocuments(first_kept * kWindowMs);
    }
    return done;
}

/// Drops the windows whose last moment is past the retention time. Returns the first window that is kept.
Expected<std::int64_t> Retention::dropOldWindows() {
    const TimestampMs now = options_.expiry_clock ? options_.expiry_clock() : options_.clock();
    const auto first_kept = std::max<std::int64_t>(0, windowOf(now - options_.retention_ms));
    for (;;) {
        const auto oldest = oldestWindow();
        if (!oldest) {
            return tl::unexpected(oldest.error());
        }
        if (*oldest >= first_kept) {
            return first_kept;
        }
        const auto dropped = dropWindow(*oldest);
        if (!dropped) {
            return tl::unexpected(dropped.error());
        }
        age_dropped_samples_ += *dropped;
        age_dropped_before_ = (*oldest + 1) * kWindowMs;
    }
}

/// Drops the oldest windows, but never the newest, until the file and its WAL fit. Returns the first window
/// that is kept; 0 if none was dropped.
Expected<std::int64_t> Retention::dropForSize() {
    std::int64_t first_kept = 0;
    for (;;) {
        std::int64_t newest = 0;
        const auto fitting = fits(newest);
        if (!fitting) {
            return tl::unexpected(fitting.error());
        }
        if (*fitting) {
            return first_kept;
        }
        const auto oldest = oldestWindow();
        if (!oldest) {
            return tl::unexpected(oldest.error());
        }
        if (*oldest >= newest) {
            return first_kept;
        }
        const auto samples = dropWindow(*oldest);
        if (!samples) {
            return tl::unexpected(samples.error());
        }
        first_kept = *oldest + 1;
        size_dropped_samples_ += *samples;
        size_dropped_before_ = first_kept * kWindowMs;
    }
}

/// True if the file and its WAL are within retention_bytes. Tells the newest window too.
Expected<bool> Retention::fits(std::int64_t& newest_window) const {
    const WriteAccess access(database_);
    auto& connection = access.connection();
    const auto page = connection.integer("PRAGMA page_size");
    const auto pages = page ? connection.integer("PRAGMA page_count") : page;
    const auto free = pages ? connection.integer("PRAGMA freelist_count") : pages;
    const auto row = free ? connection.integer("SELECT coalesce(max(id), 0) FROM chunks") : free;
    if (!row) {
        return tl::unexpected(row.error());
    }
    newest_window = windowOfRow(*row);
    // A long query makes the WAL long for a while: no history is deleted for more than an eighth of WAL.
    const std::int64_t wal = std::min(database_.walBytes(), options_.retention_bytes / 8);
    // Database::shrink() leaves a sixteenth of free pages.
    const std::int64_t room = options_.retention_bytes - options_.retention_bytes / 16 - wal;
    return (*pages - *free) * *page <= room;
}

/// INT64_MAX if there is no block.
Expected<std::int64_t> Retention::oldestWindow() const {
    const WriteAccess access(database_);
    const auto row = access.blocks().next(0, INT64_MAX);
    if (!row) {
        return tl::unexpected(row.error());
    }
    const std::int64_t window = row->has_value() ? windowOfRow(**row) : INT64_MAX;
    const auto damaged = damaged_.rows();
    return damaged.empty() ? window : std::min(window, windowOfRow(*damaged.begin()));
}

/// Returns the number of samples in the deleted window.
Expected<std::uint64_t> Retention::dropWindow(std::int64_t window) {
    std::uint64_t samples = 0;
    const auto done = database_.withRoom([&] { return deleteWindow(window, samples); });
    if (!done) {
        return tl::unexpected(done.error());
    }
    return samples;
}

/// Deletes the blocks of one window only, so that other writers do not wait long. Damaged blocks go too, but
/// their samples are not counted.
Expected<void> Retention::deleteWindow(std::int64_t window, std::uint64_t& samples) {
    const WriteAccess access(database_);
    BlockTable& blocks = access.blocks();
    const std::int64_t first = blockRow(window, 0);
    const std::int64_t last = blockRow(window + 1, 0) - 1;
    std::uint64_t count = 0;
    for (auto row = first; row <= last; ++row) {
        const auto next = blocks.next(row, last);
        if (!next) {
            return tl::unexpected(next.error());
        }
        if (!next->has_value()) {
            break;
        }
        row = **next;
        if (!blocks.load(row)) {
            continue;
        }
        const auto& directory = blocks.directory();
        for (const auto& entry : directory.entries()) {
            count += directory.sampleCount(entry);
        }
    }
    blocks.release();
    auto done = access.transaction([&]() -> Expected<void> {
        auto erase = access.connection().prepare(
            "DELETE FROM chunks WHERE id BETWEEN ?1 AND ?2 OR id BETWEEN -?2 AND -?1", false);
        if (!erase) {
            return tl::unexpected(erase.error());
        }
        return erase->bind(1, first).bind(2, last).run();
    });
    if (done) {
        damaged_.forget(first, last);
        samples += count;
    }
    return done;
}

Expected<void> Retention::expireSeries(TimestampMs before) {
    {
        const WriteAccess access(database_);
        const auto* frozen = heads_.frozen(access);
        std::vector<SeriesId> gone;
        for (const auto id : catalog_.index(access).all()) {
            // The log's replay needs the series whose samples the log still has.
            const bool in_log =
                heads_.head(access).contains(id) || (frozen != nullptr && frozen->head.contains(id));
            if (!in_log && heads_.timeRange(access, id).newest < before) {
                gone.push_back(id);
            }
        }
        auto done = catalog_.erase(access, gone);
        if (!done) {
            return done;
        }
        heads_.forget(access, gone);
    }
    for (bool more = true; more;) {
        const WriteAccess access(database_);
        const auto expired = catalog_.expireArchived(access, before);
        if (!expired) {
            return tl::unexpected(expired.error());
        }
        more = *expired;
    }
    return {};
}

/// A document lives as long as a series with its digest, however long ago it was sent.
Expected<void> Retention::expireDocuments(TimestampMs before) {
    std::unordered_set<std::string> used;
    {
        const ReaderLock lock(catalog_.mutex);
        used = catalog_.index().values("digest");
    }
    {
        const WriteAccess access(database_);
        const auto archived = catalog_.archived().digests(access);
        if (!archived) {
            return tl::unexpected(archived.error());
        }
        used.insert(archived->begin(), archived->end());
    }
    return documents_.expire(before, used);
}

}  // namespace lapwing::storage
