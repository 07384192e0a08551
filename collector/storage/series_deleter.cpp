#include "collector/storage/series_deleter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace lapwing::storage {

bool SeriesDeleter::Deletion::contains(GroupId group, SeriesId id) const {
    const auto ids = series.find(group);
    return ids != series.end() && std::binary_search(ids->second.begin(), ids->second.end(), id);
}

Expected<void> SeriesDeleter::deleteSeries(const std::vector<Matchers>& any, TimestampMs from,
                                           TimestampMs to) {
    if (any.empty()) {
        return fail(ErrorKind::invalid, "nothing is deleted without a matcher");
    }
    const RewriteLock lock(database_);
    // Moves all acknowledged samples into blocks. The first call may compact only what an earlier attempt has
    // left frozen.
    auto done = compactor_.compact(lock);
    if (done) {
        done = compactor_.compact(lock);
    }
    if (!done) {
        return done;
    }
    const auto found = find(any, std::max<TimestampMs>(from, 0), to);
    if (!found) {
        return tl::unexpected(found.error());
    }
    const Deletion& deletion = *found;
    if (deletion.series.empty()) {
        return {};
    }
    const auto rows = blocksOf(deletion);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    for (const auto row : *rows) {
        done = deleteFromBlock(deletion, row);
        if (!done) {
            return done;
        }
    }
    done = finish(deletion);
    if (done) {
        done = database_.shrink();
    }
    return done;
}

Expected<SeriesDeleter::Deletion> SeriesDeleter::find(const std::vector<Matchers>& any, TimestampMs from,
                                                      TimestampMs to) const {
    Deletion deletion;
    deletion.from = from;
    deletion.to = to;
    // The archive first: a series that becomes active in between is then seen twice. No series is archived
    // meanwhile, for that needs the rewrite mutex.
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto searched = SeriesArchive::select((*reader)->connection, any, from, to,
                                          [&](const ArchivedSeries& series) -> Expected<void> {
                                              deletion.archived[series.id] = series.range;
                                              deletion.series[series.group].push_back(series.id);
                                              return {};
                                          });
    if (!searched) {
        return tl::unexpected(searched.error());
    }
    {
        const ReaderLock lock(catalog_.mutex);
        const SeriesIndex& index = catalog_.index();
        auto ids = index.selectAny(any);
        heads_.keepOverlapping(ids, from, to);
        for (const auto id : ids) {
            if (deletion.archived.erase(id) == 0) {
                deletion.series[index.group(id)].push_back(id);
            }
        }
    }
    for (auto& [group, ids] : deletion.series) {
        std::sort(ids.begin(), ids.end());
    }
    return deletion;
}

/// The rows whose blocks may have samples to delete; negative rows for damaged blocks that were set aside.
Expected<std::vector<std::int64_t>> SeriesDeleter::blocksOf(const Deletion& deletion) const {
    std::vector<std::int64_t> rows;
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    const std::int64_t first_row = blockRow(windowOf(deletion.from), 0);
    const std::int64_t last_row = blockRow(std::min(windowOf(deletion.to), kLastWindow) + 1, 0) - 1;
    for (auto row = first_row;; ++row) {
        const auto next = (*reader)->blocks.next(row, last_row);
        if (!next) {
            return tl::unexpected(next.error());
        }
        if (!next->has_value()) {
            break;
        }
        row = **next;
        if (deletion.series.contains(groupOfRow(row))) {
            rows.push_back(row);
        }
    }
    for (const auto row : damaged_.rows()) {
        if (row >= first_row && row <= last_row && deletion.series.contains(groupOfRow(row))) {
            rows.push_back(-row);
        }
    }
    return rows;
}

/// The content of a block without the samples to delete; empty if no sample is left. A damaged block can only
/// be deleted as a whole.
Expected<std::string> SeriesDeleter::cutBlock(const Deletion& deletion, std::int64_t row) const {
    const auto group = groupOfRow(std::abs(row));
    const TimestampMs start = windowOfRow(std::abs(row)) * kWindowMs;
    const TimestampMs end = start + kWindowMs - 1;
    const bool whole = deletion.from <= start && deletion.to >= end;
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto& blocks = (*reader)->blocks;
    const auto loaded = blocks.load(row);
    if (!loaded) {
        if (loaded.error().kind == ErrorKind::internal && whole) {
            return std::string();
        }
        return tl::unexpected(loaded.error());
    }
    BlockWriter writer;
    std::vector<Sample> kept;
    bool any = false;
    for (const auto& entry : blocks.directory().entries()) {
        if (!deletion.contains(group, entry.id)) {
            const auto values = blocks.values(entry);
            if (!values) {
                return tl::unexpected(values.error());
            }
            writer.addEncoded(entry.id, blocks.directory().column(entry), *values, entry.checksum);
            any = true;
        } else if (!whole) {
            kept.clear();
            auto done = blocks.read(entry, start, deletion.from - 1, kept);
            if (done && deletion.to < end) {
                done = blocks.read(entry, deletion.to + 1, end, kept);
            }
            if (!done) {
                return tl::unexpected(done.error());
            }
            if (!kept.empty()) {
                writer.add(entry.id, kept);
                any = true;
            }
        }
    }
    return any ? writer.finish() : std::string();
}

Expected<void> SeriesDeleter::deleteFromBlock(const Deletion& deletion, std::int64_t row) {
    const auto data = cutBlock(deletion, row);
    if (!data) {
        return tl::unexpected(data.error());
    }
    const WriteAccess access(database_);
    access.blocks().release();
    auto done = access.transaction([&]() -> Expected<void> {
        auto change = access.connection().prepare(
            data->empty() ? "DELETE FROM chunks WHERE id = ?1" : "UPDATE chunks SET data = ?2 WHERE id = ?1",
            false);
        if (!change) {
            return tl::unexpected(change.error());
        }
        change->bind(1, row);
        if (!data->empty()) {
            change->bindBlob(2, *data);
        }
        return change->run();
    });
    if (done && data->empty() && row < 0) {
        damaged_.forget(-row);
    }
    return done;
}

/// The time range of the samples that a series still has in blocks.
Expected<TimeRange> SeriesDeleter::rangeLeft(const Deletion& deletion, GroupId group, SeriesId id) const {
    const auto archived = deletion.archived.find(id);
    TimeRange range = archived == deletion.archived.end() ? heads_.timeRange(id) : archived->second;
    // A damaged block may have samples of the series: it stays as it is.
    if (damaged_.inGroup(group)) {
        return range;
    }
    const bool first_gone = range.oldest >= deletion.from;
    const bool last_gone = range.newest <= deletion.to;
    if (first_gone && last_gone) {
        return TimeRange{};
    }
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto& blocks = (*reader)->blocks;
    // Steps over blocks away from the deleted range, to the first block with samples of the series.
    const auto seek = [&](std::int64_t window, std::int64_t end, int step) -> Expected<std::vector<Sample>> {
        std::vector<Sample> samples;
        for (; window != end + step && samples.empty(); window += step) {
            const auto loaded = blocks.load(blockRow(window, group));
            if (!loaded) {
                return tl::unexpected(loaded.error());
            }
            const auto* entry = *loaded ? blocks.directory().find(id) : nullptr;
            if (entry == nullptr) {
                continue;
            }
            auto done = blocks.read(*entry, 0, INT64_MAX, samples);
            if (!done) {
                return tl::unexpected(done.error());
            }
        }
        return samples;
    };
    if (!first_gone && !last_gone) {
        return range;
    }
    const auto samples = last_gone ? seek(windowOf(deletion.from), windowOf(range.oldest), -1)
                                   : seek(windowOf(deletion.to), windowOf(range.newest), 1);
    if (!samples) {
        return tl::unexpected(samples.error());
    }
    if (samples->empty()) {
        return TimeRange{};
    }
    if (last_gone) {
        range.newest = samples->back().timestamp;
    } else {
        range.oldest = samples->front().timestamp;
    }
    return range;
}

/// Corrects the time ranges of the series, and deletes the series that have no sample left.
Expected<void> SeriesDeleter::finish(const Deletion& deletion) {
    std::vector<std::pair<SeriesId, TimeRange>> left;
    for (const auto& [group, ids] : deletion.series) {
        for (const auto id : ids) {
            const auto range = rangeLeft(deletion, group, id);
            if (!range) {
                return tl::unexpected(range.error());
            }
            left.emplace_back(id, *range);
        }
    }
    std::sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const WriteAccess access(database_);
    std::vector<SeriesId> gone;
    for (auto& [id, range] : left) {
        // Samples that came in during the deletion.
        std::vector<Sample> recent;
        mergeInto(heads_.head(access).copy(id, 0, INT64_MAX), 0, INT64_MAX, recent);
        if (!recent.empty()) {
            range.widen(recent.front().timestamp, recent.back().timestamp);
        }
        if (range.empty()) {
            gone.push_back(id);
        }
    }
    auto done = catalog_.putTimeRanges(access, left);
    if (!done) {
        return done;
    }
    std::erase_if(left, [&](const auto& series) { return !catalog_.index(access).contains(series.first); });
    heads_.setTimeRanges(access, left);
    done = catalog_.erase(access, gone);
    if (done) {
        heads_.forget(access, gone);
    }
    return done;
}

}  // namespace lapwing::storage
