#include "collector/storage/querier.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

namespace lapwing::storage {
namespace {

tl::unexpected<Error> tooManySamples(const ReadLimits& limits) {
    return fail(ErrorKind::exhausted,
                "the query touches more than " + std::to_string(limits.max_samples) + " samples");
}

}  // namespace

/// A series of a query, with what memory has of it.
struct Querier::Selected {
    SeriesId id = 0;
    GroupId group = 0;
    std::shared_ptr<const Labels> labels;
    HeadPart frozen;
    HeadPart head;
    std::vector<Sample> samples;
};

namespace {

/// The first series of the group, or of a later one. `selected` is sorted by group.
template <class Selected>
auto firstOfGroup(std::vector<Selected>& selected, GroupId group) {
    return std::lower_bound(selected.begin(), selected.end(), group,
                            [](const Selected& series, GroupId wanted) { return series.group < wanted; });
}

}  // namespace

Expected<std::vector<SeriesSamples>> Querier::select(const Matchers& matchers, TimestampMs from,
                                                     TimestampMs to, const ReadLimits& limits) const {
    from = std::max<TimestampMs>(from, 0);
    std::vector<SeriesSamples> result;
    if (from > to) {
        return result;
    }
    // Memory before blocks: what a compaction moves in between is then seen twice, never missed.
    auto selected = selectSeries(matchers, from, to);
    auto read = readBlocks(selected, from, to, limits);
    if (!read) {
        return tl::unexpected(read.error());
    }
    result.reserve(selected.size());
    std::size_t samples = 0;
    for (auto& series : selected) {
        mergeInto(series.frozen, from, to, series.samples);
        mergeInto(series.head, from, to, series.samples);
        series.frozen = {};
        series.head = {};
        samples += series.samples.size();
        if (samples > limits.max_samples) {
            return tooManySamples(limits);
        }
        if (!series.samples.empty()) {
            result.push_back(SeriesSamples{std::move(series.labels), std::move(series.samples)});
        }
    }
    std::sort(result.begin(), result.end(),
              [](const SeriesSamples& a, const SeriesSamples& b) { return *a.labels < *b.labels; });
    return result;
}

std::vector<Querier::Selected> Querier::selectSeries(const Matchers& matchers, TimestampMs from,
                                                     TimestampMs to) const {
    std::vector<Selected> selected;
    const ReaderLock lock(catalog_.mutex);
    const SeriesIndex& index = catalog_.index();
    heads_.copy(index.select(matchers), from, to, [&](SeriesId id, HeadPart frozen, HeadPart head) {
        selected.push_back({id, index.group(id), {}, std::move(frozen), std::move(head), {}});
    });
    for (auto& series : selected) {
        series.labels = index.labels(series.id);
    }
    return selected;
}

Expected<void> Querier::readBlocks(std::vector<Selected>& selected, TimestampMs from, TimestampMs to,
                                   const ReadLimits& limits) const {
    if (selected.empty()) {
        return {};
    }
    std::sort(selected.begin(), selected.end(), [](const Selected& a, const Selected& b) {
        return a.group != b.group ? a.group < b.group : a.id < b.id;
    });
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto& blocks = (*reader)->blocks;
    // One snapshot of the file for all windows. It ends when the reader returns to the pool.
    auto begun = (*reader)->connection.exec("BEGIN");
    if (!begun) {
        return begun;
    }
    std::size_t samples = 0;
    std::int64_t from_row = blockRow(windowOf(from), selected.front().group);
    const std::int64_t last_row = blockRow(std::min(windowOf(to), kLastWindow), selected.back().group);
    while (from_row <= last_row) {
        const auto row = blocks.next(from_row, last_row);
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            break;
        }
        const std::int64_t window = windowOfRow(**row);
        const GroupId group = groupOfRow(**row);
        auto series = firstOfGroup(selected, group);
        if (series == selected.end()) {
            from_row = blockRow(window + 1, selected.front().group);
            continue;
        }
        if (series->group != group) {
            from_row = blockRow(window, series->group);
            continue;
        }
        from_row = **row + 1;
        if (limits.proceed) {
            if (auto go_on = limits.proceed(); !go_on) {
                return go_on;
            }
        }
        const auto loaded = blocks.load(**row);
        if (!loaded) {
            return tl::unexpected(loaded.error());
        }
        for (; series != selected.end() && series->group == group; ++series) {
            const auto* entry = blocks.directory().find(series->id);
            if (entry == nullptr) {
                continue;
            }
            const std::size_t before = series->samples.size();
            auto done = blocks.read(*entry, from, to, series->samples);
            if (!done) {
                return done;
            }
            samples += series->samples.size() - before;
            if (samples > limits.max_samples) {
                return tooManySamples(limits);
            }
        }
    }
    return readDamaged(**reader, selected, from, to);
}

/// Reads what can still be read of damaged blocks that compaction has set aside.
Expected<void> Querier::readDamaged(Reader& reader, std::vector<Selected>& selected, TimestampMs from,
                                    TimestampMs to) const {
    for (const auto row : damaged_.rows()) {
        const GroupId group = groupOfRow(row);
        if (windowOfRow(row) < windowOf(from) || windowOfRow(row) > windowOf(to)) {
            continue;
        }
        auto series = firstOfGroup(selected, group);
        if (series == selected.end() || series->group != group) {
            continue;
        }
        const auto loaded = reader.blocks.load(-row);
        if (!loaded) {
            return tl::unexpected(loaded.error());
        }
        if (!*loaded) {
            continue;
        }
        for (; series != selected.end() && series->group == group; ++series) {
            const auto* entry = reader.blocks.directory().find(series->id);
            if (entry == nullptr) {
                continue;
            }
            std::vector<Sample> samples;
            auto done = reader.blocks.read(*entry, from, to, samples);
            if (!done) {
                return done;
            }
            mergeInto(std::move(samples), series->samples);
        }
    }
    return {};
}

std::vector<SeriesId> Querier::matching(const std::vector<Matchers>& any, TimestampMs from,
                                        TimestampMs to) const {
    auto ids = catalog_.index().selectAny(any);
    heads_.keepOverlapping(ids, from, to);
    return ids;
}

std::vector<Labels> Querier::series(const std::vector<Matchers>& any, TimestampMs from,
                                    TimestampMs to) const {
    std::vector<Labels> out;
    {
        const ReaderLock lock(catalog_.mutex);
        const auto ids = matching(any, from, to);
        out.reserve(ids.size());
        for (const auto id : ids) {
            out.push_back(*catalog_.index().labels(id));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<std::string> Querier::labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                             TimestampMs to) const {
    std::set<std::uint32_t> symbols;
    std::vector<std::string> out;
    {
        const ReaderLock lock(catalog_.mutex);
        const SeriesIndex& index = catalog_.index();
        for (const auto id : matching(any, from, to)) {
            for (const auto pair : index.pairs(id)) {
                symbols.insert(index.symbols(pair).name);
            }
        }
        for (const auto symbol : symbols) {
            out.push_back(index.text(symbol));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<std::string> Querier::labelValues(const std::string& name, const std::vector<Matchers>& any,
                                              TimestampMs from, TimestampMs to) const {
    std::set<std::uint32_t> symbols;
    std::vector<std::string> out;
    {
        const ReaderLock lock(catalog_.mutex);
        const SeriesIndex& index = catalog_.index();
        const auto wanted = index.symbol(name);
        if (!wanted) {
            return out;
        }
        for (const auto id : matching(any, from, to)) {
            if (const auto value = index.value(id, *wanted)) {
                symbols.insert(*value);
            }
        }
        for (const auto symbol : symbols) {
            out.push_back(index.text(symbol));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace lapwing::storage
