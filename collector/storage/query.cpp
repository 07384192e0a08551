#include <algorithm>
#include <iterator>
#include <set>

#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {

/// One series that a query asks for.
struct SqliteStore::Wanted {
    SeriesId id = 0;
    GroupId group = 0;
    std::shared_ptr<const Labels> labels;
    HeadPart frozen;
    HeadPart head;
    std::vector<Sample> samples;
};

Expected<std::vector<SeriesSamples>> SqliteStore::select(const Matchers& matchers, TimestampMs from,
                                                         TimestampMs to, const ReadLimits& limits) const {
    from = std::max<TimestampMs>(from, 0);
    std::vector<Wanted> wanted;
    if (from > to) return std::vector<SeriesSamples>();
    {
        // Memory before disk: what a compaction moves in between is then seen twice, never missed.
        const std::shared_lock index_lock(index_mutex_);
        const auto ids = index_->select(matchers);
        {
            const std::lock_guard head_lock(head_mutex_);
            for (const auto id : ids) {
                if (spans_[id].oldest > to || spans_[id].newest < from) continue;
                wanted.push_back(
                    {id, index_->group(id), {}, frozen_.copy(id, from, to), head_.copy(id, from, to), {}});
            }
        }
        for (auto& one : wanted) one.labels = index_->labels(one.id);
    }
    auto read = readBlocks(wanted, from, to, limits);
    if (!read) return tl::unexpected(read.error());
    std::vector<SeriesSamples> result;
    result.reserve(wanted.size());
    std::size_t samples = 0;
    for (auto& one : wanted) {
        mergeInto(one.frozen, from, to, one.samples);
        mergeInto(one.head, from, to, one.samples);
        one.frozen = {};
        one.head = {};
        samples += one.samples.size();
        if (samples > limits.max_samples) {
            return fail(ErrorKind::exhausted,
                        "the query touches more than " + std::to_string(limits.max_samples) + " samples");
        }
        if (!one.samples.empty())
            result.push_back(SeriesSamples{std::move(one.labels), std::move(one.samples)});
    }
    std::sort(result.begin(), result.end(),
              [](const SeriesSamples& a, const SeriesSamples& b) { return *a.labels < *b.labels; });
    return result;
}

Expected<void> SqliteStore::readBlocks(std::vector<Wanted>& wanted, TimestampMs from, TimestampMs to,
                                       const ReadLimits& limits) const {
    if (wanted.empty()) return {};
    std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
        return a.group != b.group ? a.group < b.group : a.id < b.id;
    });
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& blocks = (*reader)->blocks;
    // One snapshot of the file for all windows; the reader's return to the pool ends it.
    auto begun = (*reader)->connection.exec("BEGIN");
    if (!begun) return begun;
    std::size_t samples = 0;
    const std::int64_t last_window = std::min(windowOf(to), std::int64_t{1} << 38);
    std::int64_t from_row = blockRow(windowOf(from), wanted.front().group);
    const std::int64_t last_row = blockRow(last_window, wanted.back().group);
    while (from_row <= last_row) {
        const auto row = blocks.next(from_row, last_row);
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        const std::int64_t window = **row >> 24;
        const auto group = static_cast<GroupId>(**row & 0xffffff);
        // The first wanted series of this group, or of the next one that is wanted.
        auto one = std::lower_bound(wanted.begin(), wanted.end(), group,
                                    [](const Wanted& w, GroupId g) { return w.group < g; });
        if (one == wanted.end()) {
            from_row = blockRow(window + 1, wanted.front().group);
            continue;
        }
        if (one->group != group) {
            from_row = blockRow(window, one->group);
            continue;
        }
        from_row = **row + 1;
        if (limits.proceed) {
            if (auto go_on = limits.proceed(); !go_on) return go_on;
        }
        const auto there = blocks.load(**row);
        if (!there) return tl::unexpected(there.error());
        for (; one != wanted.end() && one->group == group; ++one) {
            const auto* entry = blocks.directory().find(one->id);
            if (entry == nullptr) continue;
            const std::size_t before = one->samples.size();
            auto done = blocks.read(*entry, from, to, one->samples);
            if (!done) return done;
            samples += one->samples.size() - before;
            if (samples > limits.max_samples) {
                return fail(ErrorKind::exhausted,
                            "the query touches more than " + std::to_string(limits.max_samples) + " samples");
            }
        }
    }
    return readSetAside(**reader, wanted, from, to);
}

/// What can still be read of damaged blocks that compaction has set aside.
Expected<void> SqliteStore::readSetAside(Reader& reader, std::vector<Wanted>& wanted, TimestampMs from,
                                         TimestampMs to) const {
    std::set<std::int64_t> rows;
    {
        const std::lock_guard lock(head_mutex_);
        if (set_aside_.empty()) return {};
        rows = set_aside_;
    }
    for (const auto row : rows) {
        const auto group = static_cast<GroupId>(row & 0xffffff);
        if (row >> 24 < windowOf(from) || row >> 24 > windowOf(to)) continue;
        auto one = std::lower_bound(wanted.begin(), wanted.end(), group,
                                    [](const Wanted& w, GroupId g) { return w.group < g; });
        if (one == wanted.end() || one->group != group) continue;
        const auto there = reader.blocks.load(-row);
        if (!there) return tl::unexpected(there.error());
        if (!*there) continue;
        for (; one != wanted.end() && one->group == group; ++one) {
            const auto* entry = reader.blocks.directory().find(one->id);
            if (entry == nullptr) continue;
            std::vector<Sample> samples;
            auto done = reader.blocks.read(*entry, from, to, samples);
            if (!done) return done;
            mergeInto(std::move(samples), one->samples);
        }
    }
    return {};
}

/// Needs index_mutex_, shared.
std::vector<SeriesId> SqliteStore::matching(const std::vector<Matchers>& any, TimestampMs from,
                                            TimestampMs to) const {
    std::vector<SeriesId> ids;
    if (any.empty()) ids = index_->all();
    for (const auto& matchers : any) {
        auto more = index_->select(matchers);
        if (ids.empty()) {
            ids = std::move(more);
            continue;
        }
        std::vector<SeriesId> both;
        std::set_union(ids.begin(), ids.end(), more.begin(), more.end(), std::back_inserter(both));
        ids = std::move(both);
    }
    const std::lock_guard lock(head_mutex_);
    std::erase_if(ids, [&](SeriesId id) { return spans_[id].oldest > to || spans_[id].newest < from; });
    return ids;
}

Expected<std::vector<Labels>> SqliteStore::series(const std::vector<Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const {
    std::vector<Labels> out;
    {
        const std::shared_lock lock(index_mutex_);
        const auto ids = matching(any, from, to);
        out.reserve(ids.size());
        for (const auto id : ids) out.push_back(*index_->labels(id));
    }
    std::sort(out.begin(), out.end());
    return out;
}

Expected<std::vector<std::string>> SqliteStore::labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                           TimestampMs to) const {
    std::set<std::uint32_t> symbols;
    std::vector<std::string> out;
    {
        const std::shared_lock lock(index_mutex_);
        for (const auto id : matching(any, from, to)) {
            for (const auto pair : index_->pairs(id)) symbols.insert(index_->symbols(pair).name);
        }
        for (const auto symbol : symbols) out.push_back(index_->text(symbol));
    }
    std::sort(out.begin(), out.end());
    return out;
}

Expected<std::vector<std::string>> SqliteStore::labelValues(const std::string& name,
                                                            const std::vector<Matchers>& any,
                                                            TimestampMs from, TimestampMs to) const {
    std::set<std::uint32_t> symbols;
    std::vector<std::string> out;
    {
        const std::shared_lock lock(index_mutex_);
        const auto wanted = index_->symbol(name);
        if (!wanted) return out;
        for (const auto id : matching(any, from, to)) {
            if (const auto value = index_->value(id, *wanted)) symbols.insert(*value);
        }
        for (const auto symbol : symbols) out.push_back(index_->text(symbol));
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace lapwing::storage
