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

Expected<void> Compactor::restore(const RewriteLock& /*lock*/) {
    for (const auto row : damaged_.rows()) {
        const auto data = joinBlocks(-row, row);
        if (!data) {
            return tl::unexpected(data.error());
        }
        if (!*data) {
            continue;
        }
        const WriteAccess access(database_);
        access.blocks().release();
        auto done = access.transaction([&]() -> Expected<void> {
            auto put =
                access.connection().prepare("INSERT OR REPLACE INTO chunks(id, data) VALUES(?1, ?2)", false);
            if (!put) {
                return tl::unexpected(put.error());
            }
            auto stored = put->bind(1, row).bindBlob(2, **data).run();
            return stored ? DamagedBlocks::erase(access, row) : stored;
        });
        if (!done) {
            return done;
        }
        damaged_.forget(row);
    }
    return {};
}

/// Both blocks in one; nothing if either cannot be read as a whole.
Expected<std::optional<std::string>> Compactor::joinBlocks(std::int64_t aside, std::int64_t row) const {
    auto first_reader = database_.reader();
    auto second_reader = database_.reader();
    if (!first_reader || !second_reader) {
        return tl::unexpected(first_reader ? second_reader.error() : first_reader.error());
    }
    auto& first = (*first_reader)->blocks;
    auto& second = (*second_reader)->blocks;
    // An Error of damage is no Error here.
    const auto or_nothing = [](const Error& error) -> Expected<std::optional<std::string>> {
        return error.kind == ErrorKind::internal ? Expected<std::optional<std::string>>(std::nullopt)
                                                 : tl::unexpected(error);
    };
    const auto old = first.load(aside);
    const auto fresh = second.load(row);
    if (!old || !fresh) {
        return or_nothing(old ? fresh.error() : old.error());
    }
    const std::vector<BlockDirectory::Entry> none;
    const auto& old_entries = *old ? first.directory().entries() : none;
    const auto& fresh_entries = *fresh ? second.directory().entries() : none;
    BlockWriter writer;
    auto a = old_entries.begin();
    auto b = fresh_entries.begin();
    while (a != old_entries.end() || b != fresh_entries.end()) {
        const SeriesId id = a == old_entries.end()     ? b->id
                            : b == fresh_entries.end() ? a->id
                                                       : std::min(a->id, b->id);
        std::vector<Sample> samples;
        std::vector<Sample> later;
        Expected<void> read;
        if (a != old_entries.end() && a->id == id) {
            read = first.read(*a++, 0, INT64_MAX, samples);
        }
        if (read && b != fresh_entries.end() && b->id == id) {
            read = second.read(*b++, 0, INT64_MAX, later);
        }
        if (!read) {
            return or_nothing(read.error());
        }
        mergeInto(std::move(later), samples);
        if (!samples.empty()) {
            writer.add(id, samples);
        }
    }
    return std::optional(writer.finish());
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
