#include "collector/storage/querier.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "collector/limits/query_limits.h"

namespace lapwing::storage {
namespace {

tl::unexpected<Error> tooManySamples(std::size_t max_samples) {
    return fail(ErrorKind::exhausted,
                "the query touches more than " + std::to_string(max_samples) + " samples");
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

/// The limits of the query are looked at after so many series.
constexpr std::size_t kSeriesBetweenChecks = 256;
/// Series or values that are read while the catalog is locked.
constexpr std::size_t kReadTogether = 1024;

/// Begins one snapshot of the file for everything that follows. It ends when the reader returns to the pool.
Expected<void> beginSnapshot(Reader& reader) {
    auto begun = reader.connection.exec("BEGIN");
    // The snapshot is of the moment of the first read.
    return begun ? reader.blocks.next(0, 0).map([](const auto&) {}) : begun;
}

/// The first series of the group, or of a later one. `selected` is sorted by group.
template <class Selected>
auto firstOfGroup(std::vector<Selected>& selected, GroupId group) {
    return std::lower_bound(selected.begin(), selected.end(), group,
                            [](const Selected& series, GroupId wanted) { return series.group < wanted; });
}

}  // namespace

Expected<std::vector<SeriesSamples>> Querier::select(const Matchers& matchers, TimestampMs from,
                                                     TimestampMs to, std::size_t max_samples) const {
    from = std::max<TimestampMs>(from, 0);
    std::vector<SeriesSamples> result;
    if (from > to) {
        return result;
    }
    const auto comparisons = compare({matchers});
    if (!comparisons) {
        return tl::unexpected(comparisons.error());
    }
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    std::vector<Selected> selected;
    bool archived = false;
    {
        // Memory before the file: what moves from one to the other in between is then seen twice, never
        // missed. The same moment for series, because they move both ways.
        const ReaderLock lock(catalog_.mutex);
        selected = selectActive(matchers, *comparisons, from, to);
        archived = catalog_.archived().newest() >= from;
        if (selected.empty() && !archived) {
            return result;
        }
        if (auto begun = beginSnapshot(**reader); !begun) {
            return tl::unexpected(begun.error());
        }
    }
    Expected<void> read;
    if (archived) {
        read = selectArchived(**reader, matchers, from, to, selected);
    }
    if (read) {
        read = readBlocks(**reader, selected, from, to, max_samples);
    }
    if (!read) {
        return tl::unexpected(read.error());
    }
    result.reserve(selected.size());
    std::size_t samples = 0;
    std::size_t seen = 0;
    for (auto& series : selected) {
        mergeInto(series.frozen, from, to, series.samples);
        mergeInto(series.head, from, to, series.samples);
        series.frozen = {};
        series.head = {};
        samples += series.samples.size();
        if (samples > max_samples) {
            return tooManySamples(max_samples);
        }
        if (++seen % kSeriesBetweenChecks == 0) {
            if (auto go_on = QueryLimits::check(); !go_on) {
                return tl::unexpected(go_on.error());
            }
        }
        if (!series.samples.empty()) {
            result.push_back(SeriesSamples{std::move(series.labels), std::move(series.samples)});
        }
    }
    std::sort(result.begin(), result.end(),
              [](const SeriesSamples& a, const SeriesSamples& b) { return *a.labels < *b.labels; });
    return result;
}

/// Compares the values of the matcher's label with its regular expression, some values at a time, without the
/// catalog's lock: writers would wait for an expensive expression.
Expected<SeriesIndex::Comparison> Querier::compare(const Matcher& matcher) const {
    SeriesIndex::Comparison out;
    while (true) {
        std::vector<std::pair<SeriesIndex::PairId, std::string>> values;
        {
            const ReaderLock lock(catalog_.mutex);
            const auto& index = catalog_.index();
            if (index.version() != out.version) {
                out = {index.version(), 0, {}};
            }
            values = index.valuesFrom(matcher.name(), out.compared, kReadTogether);
        }
        for (const auto& [pair, value] : values) {
            if (auto go_on = QueryLimits::check(); !go_on) {
                return tl::unexpected(go_on.error());
            }
            if (matcher.matches(value)) {
                out.matched.push_back(pair);
            }
        }
        out.compared += values.size();
        if (values.size() < kReadTogether) {
            return out;
        }
    }
}

Expected<SeriesIndex::Comparisons> Querier::compare(const std::vector<Matchers>& any) const {
    SeriesIndex::Comparisons out;
    for (const auto& matchers : any) {
        for (const auto& matcher : matchers) {
            if (matcher.type() != Matcher::Type::regex && matcher.type() != Matcher::Type::not_regex) {
                continue;
            }
            auto compared = compare(matcher);
            if (!compared) {
                return tl::unexpected(compared.error());
            }
            out.emplace(&matcher, std::move(*compared));
        }
    }
    return out;
}

std::vector<Querier::Selected> Querier::selectActive(const Matchers& matchers,
                                                     const SeriesIndex::Comparisons& comparisons,
                                                     TimestampMs from, TimestampMs to) const {
    std::vector<Selected> selected;
    const SeriesIndex& index = catalog_.index();
    heads_.copy(index.select(matchers, comparisons), from, to,
                [&](SeriesId id, HeadPart frozen, HeadPart head) {
                    QueryLimits::enforceMemory();
                    selected.push_back({id, index.group(id), {}, std::move(frozen), std::move(head), {}});
                });
    for (auto& series : selected) {
        QueryLimits::enforceMemory();
        series.labels = index.labels(series.id);
    }
    return selected;
}

/// Adds the archived series to `selected`.
Expected<void> Querier::selectArchived(Reader& reader, const Matchers& matchers, TimestampMs from,
                                       TimestampMs to, std::vector<Selected>& selected) const {
    std::unordered_set<SeriesId> active;
    for (const auto& series : selected) {
        active.insert(series.id);
    }
    return SeriesArchive::select(
        reader.connection, {matchers}, from, to, [&](ArchivedSeries series) -> Expected<void> {
            if (!active.contains(series.id)) {
                selected.push_back({series.id,
                                    series.group,
                                    std::make_shared<const Labels>(std::move(series.labels)),
                                    {},
                                    {},
                                    {}});
            }
            return {};
        });
}

Expected<void> Querier::readBlocks(Reader& reader, std::vector<Selected>& selected, TimestampMs from,
                                   TimestampMs to, std::size_t max_samples) const {
    if (selected.empty()) {
        return {};
    }
    std::sort(selected.begin(), selected.end(), [](const Selected& a, const Selected& b) {
        return a.group != b.group ? a.group < b.group : a.id < b.id;
    });
    auto& blocks = reader.blocks;
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
        if (auto go_on = QueryLimits::check(); !go_on) {
            return go_on;
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
            if (samples > max_samples) {
                return tooManySamples(max_samples);
            }
        }
    }
    return readDamaged(reader, selected, from, to);
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

/// Calls `use_active` for each series, some at a time with the catalog locked; `use_archived` for those that
/// have left the memory since `ids` were selected.
Expected<void> Querier::forEachActive(const std::vector<SeriesId>& ids, Reader& reader,
                                      const std::function<void(const SeriesIndex&, SeriesId)>& use_active,
                                      const std::function<void(const Labels&)>& use_archived) const {
    std::vector<SeriesId> left;
    for (std::size_t i = 0; i < ids.size();) {
        if (auto go_on = QueryLimits::check(); !go_on) {
            return go_on;
        }
        const ReaderLock lock(catalog_.mutex);
        for (const auto end = std::min(ids.size(), i + kReadTogether); i < end; ++i) {
            if (catalog_.index().contains(ids[i])) {
                use_active(catalog_.index(), ids[i]);
            } else {
                left.push_back(ids[i]);
            }
        }
    }
    for (const auto id : left) {
        const auto labels = SeriesArchive::labels(reader.connection, id);
        if (!labels) {
            return tl::unexpected(labels.error());
        }
        if (*labels) {
            use_archived(**labels);
        }
    }
    return {};
}

/// Calls one of the functions for each series that meets any of the sets of matchers and may have samples in
/// [from, to]. A series that is archived at the moment may come twice.
Expected<void> Querier::forEachSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to,
                                      const std::function<void(const SeriesIndex&, SeriesId)>& use_active,
                                      const std::function<void(const Labels&)>& use_archived) const {
    const auto comparisons = compare(any);
    if (!comparisons) {
        return tl::unexpected(comparisons.error());
    }
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    std::vector<SeriesId> ids;
    bool archived = false;
    {
        const ReaderLock lock(catalog_.mutex);
        ids = catalog_.index().selectAny(any, *comparisons);
        heads_.keepOverlapping(ids, from, to);
        archived = catalog_.archived().newest() >= from;
        if (auto begun = beginSnapshot(**reader); !begun) {
            return begun;
        }
    }
    if (auto used = forEachActive(ids, **reader, use_active, use_archived); !used || !archived) {
        return used;
    }
    return SeriesArchive::select((*reader)->connection, any, from, to,
                                 [&](const ArchivedSeries& series) -> Expected<void> {
                                     use_archived(series.labels);
                                     return {};
                                 });
}

Expected<std::vector<Labels>> Querier::series(const std::vector<Matchers>& any, TimestampMs from,
                                              TimestampMs to) const {
    std::vector<Labels> out;
    auto done = forEachSeries(
        any, from, to, [&](const SeriesIndex& index, SeriesId id) { out.push_back(*index.labels(id)); },
        [&](const Labels& labels) { out.push_back(labels); });
    if (!done) {
        return tl::unexpected(done.error());
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

Expected<std::vector<std::string>> Querier::labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                       TimestampMs to) const {
    std::set<std::string, std::less<>> names;
    std::unordered_set<std::uint32_t> symbols;
    std::uint64_t version = 0;  // of the index that the symbols are of
    auto done = forEachSeries(
        any, from, to,
        [&](const SeriesIndex& index, SeriesId id) {
            if (std::exchange(version, index.version()) != index.version()) {
                symbols.clear();
            }
            for (const auto pair : index.pairs(id)) {
                const auto symbol = index.symbols(pair).name;
                if (symbols.insert(symbol).second) {
                    names.insert(index.text(symbol));
                }
            }
        },
        [&](const Labels& labels) {
            for (const auto& label : labels) {
                if (!names.contains(label.name)) {
                    names.insert(label.name);
                }
            }
        });
    if (!done) {
        return tl::unexpected(done.error());
    }
    return std::vector<std::string>(names.begin(), names.end());
}

Expected<std::vector<std::string>> Querier::labelValues(const std::string& name,
                                                        const std::vector<Matchers>& any, TimestampMs from,
                                                        TimestampMs to) const {
    std::set<std::string, std::less<>> values;
    std::unordered_set<std::uint32_t> symbols;
    std::optional<std::uint32_t> wanted;
    std::uint64_t version = 0;  // of the index that the symbols are of
    auto done = forEachSeries(
        any, from, to,
        [&](const SeriesIndex& index, SeriesId id) {
            if (std::exchange(version, index.version()) != index.version()) {
                symbols.clear();
                wanted = index.symbol(name);
            }
            const auto value = wanted ? index.value(id, *wanted) : std::nullopt;
            if (value && symbols.insert(*value).second) {
                values.insert(index.text(*value));
            }
        },
        [&](const Labels& labels) {
            if (const auto value = labels.get(name); !value.empty() && !values.contains(value)) {
                values.emplace(value);
            }
        });
    if (!done) {
        return tl::unexpected(done.error());
    }
    return std::vector<std::string>(values.begin(), values.end());
}

}  // namespace lapwing::storage
