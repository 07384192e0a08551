#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "collector/storage/series_row.h"
#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {

Expected<void> SqliteStore::expire() {
    const std::lock_guard compact_lock(compact_mutex_);
    auto done = expireOld();
    if (done) done = shrinkFile();
    return noted(std::move(done));
}

Expected<void> SqliteStore::expireOld() {
    std::int64_t first_kept = 0;
    if (options_.retention_ms > 0) {
        // A window goes when its last moment is past.
        first_kept = std::max<std::int64_t>(0, windowOf(options_.clock() - options_.retention_ms));
        for (;;) {
            const auto oldest = oldestWindow();
            if (!oldest) return tl::unexpected(oldest.error());
            if (*oldest >= first_kept) break;
            std::uint64_t samples = 0;
            auto dropped = withRoom([&] { return dropWindow(*oldest, samples); });
            if (!dropped) return dropped;
        }
    }
    if (options_.retention_bytes > 0) {
        auto kept = dropForSize();
        if (!kept) return tl::unexpected(kept.error());
        first_kept = std::max(first_kept, *kept);
    }
    if (first_kept == 0) return {};
    auto done = expireSeries(first_kept * kWindowMs);
    if (done) done = expireDocuments(first_kept * kWindowMs);
    return done;
}

/// INT64_MAX without any block.
Expected<std::int64_t> SqliteStore::oldestWindow() {
    const std::lock_guard write_lock(write_mutex_);
    const auto row = writer_blocks_.next(0, INT64_MAX);
    if (!row) return tl::unexpected(row.error());
    std::int64_t window = row->has_value() ? **row >> 24 : INT64_MAX;
    if (!set_aside_.empty()) window = std::min(window, *set_aside_.begin() >> 24);
    return window;
}

/// Even what makes room needs some in the write-ahead log: on a full disk a checkpoint gives it.
Expected<void> SqliteStore::withRoom(const std::function<Expected<void>()>& work) {
    auto done = work();
    if (done || done.error().kind != ErrorKind::unavailable) return done;
    checkpoint();
    return work();
}

/// Deletes a window's blocks and counts their samples. One window at a time, so that nobody waits long for
/// writing.
Expected<void> SqliteStore::dropWindow(std::int64_t window, std::uint64_t& samples) {
    const std::lock_guard write_lock(write_mutex_);
    const std::int64_t first = blockRow(window, 0);
    const std::int64_t last = blockRow(window + 1, 0) - 1;
    std::uint64_t count = 0;
    for (auto row = first; row <= last; ++row) {
        const auto next = writer_blocks_.next(row, last);
        if (!next) return tl::unexpected(next.error());
        if (!next->has_value()) break;
        row = **next;
        // What is damaged goes as well, uncounted.
        if (!writer_blocks_.load(row)) continue;
        const auto& directory = writer_blocks_.directory();
        for (const auto& entry : directory.entries()) count += directory.sampleCount(entry);
    }
    writer_blocks_.release();
    auto done = transaction([&]() -> Expected<void> {
        auto erase =
            writer_.prepare("DELETE FROM chunks WHERE id BETWEEN ?1 AND ?2 OR id BETWEEN -?2 AND -?1", false);
        if (!erase) return tl::unexpected(erase.error());
        return erase->bind(1, first).bind(2, last).run();
    });
    if (!done) return done;
    const std::lock_guard lock(head_mutex_);
    std::erase_if(set_aside_, [&](std::int64_t row) { return row >= first && row <= last; });
    samples += count;
    return {};
}

/// Drops the oldest windows, but never the newest, until file and log fit; the first that is kept then.
Expected<std::int64_t> SqliteStore::dropForSize() {
    std::int64_t first_kept = 0;
    for (;;) {
        std::int64_t newest = 0;
        {
            const std::lock_guard write_lock(write_mutex_);
            const auto page = writer_.integer("PRAGMA page_size");
            const auto pages = page ? writer_.integer("PRAGMA page_count") : page;
            const auto free = pages ? writer_.integer("PRAGMA freelist_count") : pages;
            const auto row = free ? writer_.integer("SELECT coalesce(max(id), 0) FROM chunks") : free;
            if (!row) return tl::unexpected(row.error());
            newest = *row >> 24;
            struct stat log {};
            const bool there = ::stat((options_.path + "-wal").c_str(), &log) == 0;
            // A reader that takes long makes the log long for a while: history is not to pay for all of that.
            const std::int64_t log_bytes =
                there ? std::min<std::int64_t>(log.st_size, options_.retention_bytes / 8) : 0;
            // A sixteenth may be free pages: shrinkFile().
            const std::int64_t room = options_.retention_bytes - options_.retention_bytes / 16 - log_bytes;
            if ((*pages - *free) * *page <= room) return first_kept;
        }
        const auto oldest = oldestWindow();
        if (!oldest) return tl::unexpected(oldest.error());
        if (*oldest >= newest) return first_kept;
        std::uint64_t samples = 0;
        const auto dropped = withRoom([&] { return dropWindow(*oldest, samples); });
        if (!dropped) return tl::unexpected(dropped.error());
        first_kept = *oldest + 1;
        size_dropped_samples_ += samples;
        size_dropped_before_ = first_kept * kWindowMs;
    }
}

Expected<void> SqliteStore::expireSeries(TimestampMs before) {
    const std::lock_guard write_lock(write_mutex_);
    std::vector<SeriesId> gone;
    for (const auto id : index_->all()) {
        // While the log has samples of a series its replay needs the series.
        if (spans_[id].newest < before && !head_.contains(id) && !frozen_.contains(id)) gone.push_back(id);
    }
    return dropSeries(gone);
}

/// `gone` is in ascending order. Needs write_mutex_.
Expected<void> SqliteStore::dropSeries(const std::vector<SeriesId>& gone) {
    if (gone.empty()) return {};
    // A new index rather than a thinner one: symbols that nobody uses any more go with the old.
    auto fresh = std::make_unique<SeriesIndex>();
    std::unordered_map<GroupId, std::size_t> in_group;
    for (const auto id : index_->all()) {
        if (std::binary_search(gone.begin(), gone.end(), id)) continue;
        fresh->add(id, index_->group(id), *index_->labels(id));
        ++in_group[index_->group(id)];
    }
    auto done = transaction([&]() -> Expected<void> {
        auto series = writer_.prepare("DELETE FROM series WHERE id = ?1", false);
        if (!series) return tl::unexpected(series.error());
        for (const auto id : gone) {
            auto erased = series->bind(1, id).run();
            if (!erased) return erased;
        }
        return writer_.exec("DELETE FROM groups WHERE id NOT IN (SELECT group_id FROM series)");
    });
    if (!done) return done;
    for (auto host = hosts_.begin(); host != hosts_.end();) {
        auto& groups = host->second.groups;
        std::erase_if(groups, [&](GroupId group) { return !in_group.contains(group); });
        host->second.series = 0;
        for (const auto group : groups) host->second.series += in_group[group];
        host = groups.empty() ? hosts_.erase(host) : std::next(host);
    }
    const std::unique_lock index_lock(index_mutex_);
    const std::lock_guard head_lock(head_mutex_);
    index_ = std::move(fresh);
    for (const auto id : gone) spans_[id] = Span{};
    return {};
}

Expected<void> SqliteStore::expireDocuments(TimestampMs before) {
    // A document lives as long as a sample that carries its digest: it may not have been sent again since.
    std::unordered_set<std::string> used;
    {
        const std::shared_lock lock(index_mutex_);
        if (const auto digest = index_->symbol("digest")) {
            for (const auto id : index_->all()) {
                if (const auto value = index_->value(id, *digest)) used.insert(index_->text(*value));
            }
        }
    }
    const std::lock_guard write_lock(write_mutex_);
    std::vector<std::string> gone;
    auto old = writer_.prepare("SELECT digest FROM documents WHERE received < ?1", false);
    if (!old) return tl::unexpected(old.error());
    old->bind(1, before);
    for (;;) {
        const auto row = old->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        std::string digest(old->bytes(0));
        if (!used.contains(digest)) gone.push_back(std::move(digest));
    }
    if (gone.empty()) return {};
    return transaction([&]() -> Expected<void> {
        auto erase = writer_.prepare("DELETE FROM documents WHERE digest = ?1", false);
        if (!erase) return tl::unexpected(erase.error());
        for (const auto& digest : gone) {
            auto erased = erase->bindText(1, digest).run();
            if (!erased) return erased;
        }
        return {};
    });
}

}  // namespace lapwing::storage
