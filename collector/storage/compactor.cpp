#include "collector/storage/compactor.h"

#include <malloc.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

namespace lapwing::storage {
namespace {

using Groups = std::unordered_map<GroupId, std::vector<SeriesId>>;

Groups groupsOf(const Head& head, const SeriesCatalog& catalog) {
    Groups groups;
    const ReaderLock lock(catalog.mutex);
    const SeriesIndex& index = catalog.index();
    head.forEachSeries([&](SeriesId id) { groups[index.group(id)].push_back(id); });
    return groups;
}

}  // namespace

Expected<void> Compactor::compact(const RewriteLock& /*lock*/) {
    auto frozen = heads_.frozen();
    if (!frozen) {
        const WriteAccess access(database_);
        heads_.freeze(access, log_.end().seq);
        frozen = heads_.frozen();
        if (!frozen) {
            return {};
        }
    }
    // A group that fails holds up no other group, but the log stays until all of them are in blocks.
    Expected<void> compacted;
    for (const auto& [group, ids] : groupsOf(frozen->head, catalog_)) {
        auto done = compactGroup(frozen->head, group, ids);
        if (!done) {
            compacted = std::move(done);
        }
        database_.syncIfDue();
    }
    if (!compacted) {
        return compacted;
    }
    {
        const WriteAccess access(database_);
        auto marked = log_.markCompacted(access, frozen->seq, catalog_.end(access));
        if (!marked) {
            return marked;
        }
        heads_.dropFrozen(access);
    }
    const auto seq = frozen->seq;
    frozen.reset();
    auto shortened = log_.shorten(seq);
    if (!shortened) {
        return shortened;
    }
    ::malloc_trim(0);
    return {};
}

Expected<void> Compactor::compactGroup(const Head& frozen, GroupId group, const std::vector<SeriesId>& ids) {
    // No other thread changes the frozen head or blocks, so that encoding needs no mutex.
    std::set<std::int64_t> windows;
    std::vector<Sample> samples;
    for (const auto id : ids) {
        samples.clear();
        mergeInto(frozen.copy(id, 0, INT64_MAX), 0, INT64_MAX, samples);
        for (const auto& sample : samples) {
            windows.insert(windowOf(sample.timestamp));
        }
    }
    for (const auto window : windows) {
        auto done = compactBlock(frozen, blockRow(window, group), ids);
        if (!done) {
            return done;
        }
    }
    return putTimeRanges(ids);
}

Expected<void> Compactor::compactBlock(const Head& frozen, std::int64_t row,
                                       const std::vector<SeriesId>& ids) {
    auto data = mergeBlock(frozen, row, ids);
    if (!data && data.error().kind == ErrorKind::internal) {
        auto done = damaged_.setAside(row);
        if (!done) {
            return done;
        }
        data = mergeBlock(frozen, row, ids);
    }
    if (!data) {
        return tl::unexpected(data.error());
    }
    const WriteAccess access(database_);
    return access.transaction([&]() -> Expected<void> {
        auto put =
            access.connection().prepare("INSERT OR REPLACE INTO chunks(id, data) VALUES(?1, ?2)", false);
        if (!put) {
            return tl::unexpected(put.error());
        }
        return put->bind(1, row).bindBlob(2, *data).run();
    });
}

/// The content of a block merged with the samples that the frozen head has for it of each of `ids`.
Expected<std::string> Compactor::mergeBlock(const Head& frozen, std::int64_t row,
                                            const std::vector<SeriesId>& ids) const {
    const TimestampMs from = windowOfRow(row) * kWindowMs;
    const TimestampMs to = from + kWindowMs - 1;
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto& blocks = (*reader)->blocks;
    const auto loaded = blocks.load(row);
    if (!loaded) {
        return tl::unexpected(loaded.error());
    }
    const std::vector<BlockDirectory::Entry> none;
    const auto& old = *loaded ? blocks.directory().entries() : none;
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
        if (i < ids.size() && ids[i] == id) {
            mergeInto(frozen.copy(ids[i++], from, to), from, to, fresh);
        }
        if (fresh.empty() && has_old) {
            const auto values = blocks.values(*entry);
            if (!values) {
                return tl::unexpected(values.error());
            }
            writer.addEncoded(id, blocks.directory().column(*entry), *values, entry->checksum);
        } else if (!fresh.empty()) {
            merged.clear();
            if (has_old) {
                auto done = blocks.read(*entry, from, to, merged);
                if (!done) {
                    return tl::unexpected(done.error());
                }
            }
            mergeInto(std::move(fresh), merged);
            writer.add(id, merged);
        }
        if (has_old) {
            ++entry;
        }
    }
    return writer.finish();
}

Expected<void> Compactor::putTimeRanges(const std::vector<SeriesId>& ids) {
    const WriteAccess access(database_);
    std::vector<std::pair<SeriesId, TimeRange>> ranges;
    ranges.reserve(ids.size());
    // These include samples that are in the head alone: the log has them, so a replay makes the ranges true.
    for (const auto id : ids) {
        ranges.emplace_back(id, heads_.timeRange(access, id));
    }
    return catalog_.putTimeRanges(access, ranges);
}

}  // namespace lapwing::storage
