#include <malloc.h>

#include <algorithm>

#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {
Expected<void> SqliteStore::compact() {
    const std::lock_guard compact_lock(compact_mutex_);
    auto done = withRoom([this] { return compactHead(); });
    if (done) done = shrinkFile();
    return noted(std::move(done));
}

Expected<void> SqliteStore::compactHead() {
    std::vector<std::pair<GroupId, std::vector<SeriesId>>> groups;
    {
        const std::lock_guard write_lock(write_mutex_);
        // What an earlier attempt left frozen goes first.
        if (frozen_.empty()) {
            if (head_.empty()) return {};
            const std::lock_guard head_lock(head_mutex_);
            frozen_ = std::exchange(head_, Head());
            head_.reserve(index_->end());
            frozen_seq_ = last_seq_;
            weighHead();
        }
        std::unordered_map<GroupId, std::vector<SeriesId>> by_group;
        for (SeriesId id = 0; id < frozen_.end(); ++id) {
            if (frozen_.contains(id)) by_group[index_->group(id)].push_back(id);
        }
        groups.assign(by_group.begin(), by_group.end());
    }
    // What fails for one group holds up no other; but the log stays until all of it is in blocks.
    Expected<void> compacted;
    for (const auto& [group, ids] : groups) {
        auto done = compactGroup(group, ids);
        if (!done) compacted = std::move(done);
        syncLog();
    }
    if (!compacted) return compacted;
    {
        const std::lock_guard write_lock(write_mutex_);
        auto marked = markCompacted(frozen_seq_);
        if (!marked) return marked;
        const std::lock_guard head_lock(head_mutex_);
        frozen_ = Head();
    }
    auto shortened = shortenLog(frozen_seq_);
    if (!shortened) return shortened;
    ::malloc_trim(0);
    return {};
}

Expected<void> SqliteStore::compactGroup(GroupId group, const std::vector<SeriesId>& ids) {
    // Nobody else changes the frozen head or blocks while compact_mutex_ is held, so encoding holds up
    // nobody.
    std::set<std::int64_t> windows;
    std::vector<Sample> samples;
    for (const auto id : ids) {
        samples.clear();
        mergeInto(frozen_.copy(id, 0, INT64_MAX), 0, INT64_MAX, samples);
        for (const auto& sample : samples) windows.insert(windowOf(sample.timestamp));
    }
    for (const auto window : windows) {
        const auto row = blockRow(window, group);
        auto data = mergeBlock(row, ids);
        if (!data && data.error().kind == ErrorKind::internal) {
            auto done = setAside(row);
            if (!done) return done;
            data = mergeBlock(row, ids);
        }
        if (!data) return tl::unexpected(data.error());
        const std::lock_guard write_lock(write_mutex_);
        auto done = transaction([&]() -> Expected<void> {
            auto put = writer_.prepare("INSERT OR REPLACE INTO chunks(id, data) VALUES(?1, ?2)", false);
            if (!put) return tl::unexpected(put.error());
            return put->bind(1, row).bindBlob(2, *data).run();
        });
        if (!done) return done;
    }
    const std::lock_guard write_lock(write_mutex_);
    return transaction([&]() -> Expected<void> {
        auto update = writer_.prepare("UPDATE series SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
        if (!update) return tl::unexpected(update.error());
        for (const auto id : ids) {
            // Of the whole series: what the head has by now is in the log, and true after a replay as well.
            auto done = update->bind(1, id).bind(2, spans_[id].oldest).bind(3, spans_[id].newest).run();
            if (!done) return done;
        }
        return {};
    });
}

/// A block's content with what the frozen head has of its window for each of `ids`.
Expected<std::string> SqliteStore::mergeBlock(std::int64_t row, const std::vector<SeriesId>& ids) const {
    const TimestampMs from = (row >> 24) * kWindowMs;
    const TimestampMs to = from + kWindowMs - 1;
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& blocks = (*reader)->blocks;
    const auto there = blocks.load(row);
    if (!there) return tl::unexpected(there.error());
    const std::vector<BlockDirectory::Entry> none;
    const auto& old = *there ? blocks.directory().entries() : none;
    BlockWriter writer;
    std::vector<Sample> fresh;
    std::vector<Sample> merged;
    auto entry = old.begin();
    std::size_t i = 0;
    while (entry != old.end() || i < ids.size()) {
        const SeriesId id = entry == old.end() ? ids[i]
                            : i == ids.size()  ? entry->id
                                               : std::min(entry->id, ids[i]);
        const bool has_old = entry != old.end() && entry->id == id;
        fresh.clear();
        if (i < ids.size() && ids[i] == id) mergeInto(frozen_.copy(ids[i++], from, to), from, to, fresh);
        if (fresh.empty() && has_old) {
            const auto values = blocks.values(*entry);
            if (!values) return tl::unexpected(values.error());
            writer.addEncoded(id, blocks.directory().column(*entry), *values, entry->checksum);
        } else if (!fresh.empty()) {
            merged.clear();
            if (has_old) {
                auto done = blocks.read(*entry, from, to, merged);
                if (!done) return tl::unexpected(done.error());
            }
            mergeInto(std::move(fresh), merged);
            writer.add(id, merged);
        }
        if (has_old) ++entry;
    }
    return writer.finish();
}

/// Queries still read what can be read of it; what comes in goes to a new block.
Expected<void> SqliteStore::setAside(std::int64_t row) {
    const std::lock_guard write_lock(write_mutex_);
    writer_blocks_.release();
    {
        // Before the commit: a query that does not find the block any more must know where it is.
        const std::lock_guard lock(head_mutex_);
        set_aside_.insert(row);
    }
    return transaction([&]() -> Expected<void> {
        auto move = writer_.prepare("UPDATE OR REPLACE chunks SET id = -id WHERE id = ?1", false);
        if (!move) return tl::unexpected(move.error());
        return move->bind(1, row).run();
    });
}

}  // namespace lapwing::storage
