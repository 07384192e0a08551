#include <algorithm>

#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {

/// What is to go.
struct SqliteStore::Deletion {
    TimestampMs from = 0;
    TimestampMs to = 0;
    std::unordered_map<GroupId, std::vector<SeriesId>> series;  ///< ids ascending

    bool names(GroupId group, SeriesId id) const {
        const auto ids = series.find(group);
        return ids != series.end() && std::binary_search(ids->second.begin(), ids->second.end(), id);
    }
};

Expected<void> SqliteStore::deleteSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) {
    if (any.empty()) return fail(ErrorKind::invalid, "nothing is deleted without a matcher");
    const std::lock_guard compact_lock(compact_mutex_);
    // All that was acknowledged so far is in blocks after this; an earlier compaction may have left some
    // frozen.
    auto done = compactHead();
    if (done) done = compactHead();
    if (!done) return done;
    Deletion deletion;
    deletion.from = std::max<TimestampMs>(from, 0);
    deletion.to = to;
    {
        const std::shared_lock lock(index_mutex_);
        for (const auto id : matching(any, from, to)) deletion.series[index_->group(id)].push_back(id);
    }
    if (deletion.series.empty()) return {};
    const auto rows = blocksOf(deletion);
    if (!rows) return tl::unexpected(rows.error());
    for (const auto row : *rows) {
        done = deleteFromBlock(deletion, row);
        if (!done) return done;
    }
    done = finishDeletion(deletion);
    if (done) done = shrinkFile();
    return done;
}

/// The rows in which samples may have to go, those of blocks that were set aside too.
Expected<std::vector<std::int64_t>> SqliteStore::blocksOf(const Deletion& deletion) const {
    std::vector<std::int64_t> rows;
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    const std::int64_t latest = std::min(windowOf(deletion.to), std::int64_t{1} << 38);
    const std::int64_t last = blockRow(latest + 1, 0) - 1;
    for (auto row = blockRow(windowOf(deletion.from), 0);; ++row) {
        const auto next = (*reader)->blocks.next(row, last);
        if (!next) return tl::unexpected(next.error());
        if (!next->has_value()) break;
        row = **next;
        if (deletion.series.contains(static_cast<GroupId>(row & 0xffffff))) rows.push_back(row);
    }
    const std::lock_guard lock(head_mutex_);
    for (const auto row : set_aside_) {
        const auto window = row >> 24;
        if (window >= windowOf(deletion.from) && window <= latest &&
            deletion.series.contains(static_cast<GroupId>(row & 0xffffff))) {
            rows.push_back(-row);
        }
    }
    return rows;
}

/// What stays of a block; empty if nothing does. A damaged block can go as a whole only.
Expected<std::string> SqliteStore::cutBlock(const Deletion& deletion, std::int64_t row) const {
    const std::int64_t place = std::abs(row);
    const auto group = static_cast<GroupId>(place & 0xffffff);
    const TimestampMs start = (place >> 24) * kWindowMs;
    const TimestampMs end = start + kWindowMs - 1;
    const bool whole = deletion.from <= start && deletion.to >= end;
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& blocks = (*reader)->blocks;
    const auto there = blocks.load(row);
    if (!there && there.error().kind == ErrorKind::internal && whole) return std::string();
    if (!there) return tl::unexpected(there.error());
    BlockWriter writer;
    std::vector<Sample> kept;
    bool any = false;
    for (const auto& entry : blocks.directory().entries()) {
        if (!deletion.names(group, entry.id)) {
            const auto values = blocks.values(entry);
            if (!values) return tl::unexpected(values.error());
            writer.addEncoded(entry.id, blocks.directory().column(entry), *values, entry.checksum);
            any = true;
        } else if (!whole) {
            kept.clear();
            auto done = blocks.read(entry, start, deletion.from - 1, kept);
            if (done && deletion.to < end) done = blocks.read(entry, deletion.to + 1, end, kept);
            if (!done) return tl::unexpected(done.error());
            if (kept.empty()) continue;
            writer.add(entry.id, kept);
            any = true;
        }
    }
    return any ? writer.finish() : std::string();
}

Expected<void> SqliteStore::deleteFromBlock(const Deletion& deletion, std::int64_t row) {
    const auto data = cutBlock(deletion, row);
    if (!data) return tl::unexpected(data.error());
    const std::lock_guard write_lock(write_mutex_);
    writer_blocks_.release();
    auto done = transaction([&]() -> Expected<void> {
        auto change = writer_.prepare(
            data->empty() ? "DELETE FROM chunks WHERE id = ?1" : "UPDATE chunks SET data = ?2 WHERE id = ?1",
            false);
        if (!change) return tl::unexpected(change.error());
        change->bind(1, row);
        if (!data->empty()) change->bindBlob(2, *data);
        return change->run();
    });
    if (done && data->empty() && row < 0) {
        const std::lock_guard lock(head_mutex_);
        set_aside_.erase(-row);
    }
    return done;
}

/// The span of what a series still has in blocks, given the one that it had before.
Expected<SqliteStore::Span> SqliteStore::remaining(const Deletion& deletion, GroupId group, SeriesId id,
                                                   Span span) const {
    const bool first_gone = span.oldest >= deletion.from;
    const bool last_gone = span.newest <= deletion.to;
    if (first_gone && last_gone) return Span{};
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& blocks = (*reader)->blocks;
    // Steps over blocks from the deleted range outwards, to the first that has samples of the series.
    const auto seek = [&](std::int64_t window, std::int64_t end, int step) -> Expected<std::vector<Sample>> {
        std::vector<Sample> samples;
        for (; window != end + step && samples.empty(); window += step) {
            const auto there = blocks.load(blockRow(window, group));
            if (!there) return tl::unexpected(there.error());
            const auto* entry = *there ? blocks.directory().find(id) : nullptr;
            if (entry == nullptr) continue;
            auto done = blocks.read(*entry, 0, INT64_MAX, samples);
            if (!done) return tl::unexpected(done.error());
        }
        return samples;
    };
    if (last_gone) {
        const auto samples = seek(windowOf(deletion.from), windowOf(span.oldest), -1);
        if (!samples) return tl::unexpected(samples.error());
        if (samples->empty()) return Span{};
        span.newest = samples->back().timestamp;
    } else if (first_gone) {
        const auto samples = seek(windowOf(deletion.to), windowOf(span.newest), 1);
        if (!samples) return tl::unexpected(samples.error());
        if (samples->empty()) return Span{};
        span.oldest = samples->front().timestamp;
    }
    return span;
}

/// Corrects what is known of the series, and lets those go that have nothing left.
Expected<void> SqliteStore::finishDeletion(const Deletion& deletion) {
    std::vector<std::pair<SeriesId, Span>> left;
    for (const auto& [group, ids] : deletion.series) {
        for (const auto id : ids) {
            Span before;
            bool damaged = false;
            {
                const std::lock_guard lock(head_mutex_);
                before = spans_[id];
                damaged =
                    std::any_of(set_aside_.begin(), set_aside_.end(), [group = group](std::int64_t row) {
                        return static_cast<GroupId>(row & 0xffffff) == group;
                    });
            }
            // Nobody knows what there is in a damaged block: the series stays.
            const auto span = damaged ? before : remaining(deletion, group, id, before);
            if (!span) return tl::unexpected(span.error());
            left.emplace_back(id, *span);
        }
    }
    std::sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const std::lock_guard write_lock(write_mutex_);
    std::vector<SeriesId> gone;
    for (auto& [id, span] : left) {
        // What has come in meanwhile.
        std::vector<Sample> recent;
        mergeInto(head_.copy(id, 0, INT64_MAX), 0, INT64_MAX, recent);
        if (!recent.empty()) {
            span.oldest = std::min(span.oldest, recent.front().timestamp);
            span.newest = std::max(span.newest, recent.back().timestamp);
        }
        if (span.oldest > span.newest) gone.push_back(id);
    }
    auto done = transaction([&]() -> Expected<void> {
        auto update = writer_.prepare("UPDATE series SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
        if (!update) return tl::unexpected(update.error());
        for (const auto& [id, span] : left) {
            auto updated = update->bind(1, id).bind(2, span.oldest).bind(3, span.newest).run();
            if (!updated) return updated;
        }
        return {};
    });
    if (done) {
        const std::lock_guard lock(head_mutex_);
        for (const auto& [id, span] : left) spans_[id] = span;
    }
    if (done) done = dropSeries(gone);
    return done;
}

}  // namespace lapwing::storage
