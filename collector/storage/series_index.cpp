#include "collector/storage/series_index.h"

#include <algorithm>
#include <atomic>
#include <iterator>

#include "collector/limits/query_limits.h"

namespace lapwing::storage {
namespace {

/// The size of the cache of label sets: a hundred thousand would need more memory than all samples.
constexpr std::size_t kCachedLabels = 2048;
/// Longer label sets are not cached.
constexpr std::size_t kCachedLabelBytes = 2048;
/// Load factor of the set of series: chosen for memory, not for lookup speed.
constexpr float kLoadFactor = 0.8F;

std::uint64_t nextVersion() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

std::uint64_t keyOf(SeriesIndex::SymbolPair symbols) {
    return std::uint64_t{symbols.name} << 32 | symbols.value;
}

}  // namespace

std::size_t SeriesIndex::Hash::operator()(std::span<const PairId> pairs) const {
    std::uint64_t hash = 0;
    for (const auto pair : pairs) {
        hash = (hash ^ pair) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
    }
    // A series keeps 32 bits of the hash.
    return static_cast<std::uint32_t>(hash);
}

bool SeriesIndex::Same::operator()(SeriesId id, std::span<const PairId> pairs) const {
    return std::ranges::equal(index->pairs(id), pairs);
}

SeriesIndex::SeriesIndex() : version_(nextVersion()), by_pairs_(0, Hash{this}, Same{this}) {
    by_pairs_.max_load_factor(kLoadFactor);
}

std::uint32_t SeriesIndex::intern(std::string_view text) {
    const auto known = symbols_.find(text);
    if (known != symbols_.end()) {
        return known->second;
    }
    const auto symbol = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back(text);
    symbols_.emplace(texts_.back(), symbol);
    return symbol;
}

SeriesIndex::PairId SeriesIndex::intern(const LabelView& label) {
    const SymbolPair symbols{intern(label.name), intern(label.value)};
    const auto [known, fresh] = pair_ids_.try_emplace(keyOf(symbols), static_cast<PairId>(pairs_.size()));
    if (fresh) {
        pairs_.push_back(symbols);
        postings_.emplace_back();
        values_[symbols.name].push_back(known->second);
    }
    return known->second;
}

std::optional<std::uint32_t> SeriesIndex::symbol(std::string_view text) const {
    const auto known = symbols_.find(text);
    if (known == symbols_.end()) {
        return std::nullopt;
    }
    return known->second;
}

std::optional<SeriesIndex::PairId> SeriesIndex::pair(std::string_view name, std::string_view value) const {
    const auto name_symbol = symbol(name);
    const auto value_symbol = name_symbol ? symbol(value) : std::nullopt;
    if (!value_symbol) {
        return std::nullopt;
    }
    const auto known = pair_ids_.find(keyOf({*name_symbol, *value_symbol}));
    if (known == pair_ids_.end()) {
        return std::nullopt;
    }
    return known->second;
}

std::unordered_set<std::string> SeriesIndex::values(std::string_view name) const {
    std::unordered_set<std::string> out;
    const auto of_name = symbol(name);
    const auto found = of_name ? values_.find(*of_name) : values_.end();
    if (found != values_.end()) {
        for (const PairId pair : found->second) {
            out.insert(texts_[pairs_[pair].value]);
        }
    }
    return out;
}

std::optional<std::uint32_t> SeriesIndex::value(SeriesId id, std::uint32_t name) const {
    for (const auto pair : pairs(id)) {
        if (pairs_[pair].name == name) {
            return pairs_[pair].value;
        }
    }
    return std::nullopt;
}

void SeriesIndex::add(SeriesId id, GroupId group, std::span<const LabelView> labels) {
    Series& series = series_.at(id);
    series.group = group;
    series.first = static_cast<std::uint32_t>(pairs_of_.size());
    series.count = static_cast<std::uint32_t>(labels.size());
    for (const auto& label : labels) {
        const PairId pair = intern(label);
        pairs_of_.push_back(pair);
        Postings& list = postings_[pair];
        if (list.empty() || list.back() < id) {
            list.push_back(id);
        } else {
            list.insert(std::lower_bound(list.begin(), list.end(), id), id);
        }
    }
    series.hash = static_cast<std::uint32_t>(Hash{this}(pairs(id)));
    by_pairs_.insert(id);
}

void SeriesIndex::add(SeriesId id, GroupId group, const Labels& labels) {
    std::vector<LabelView> views;
    views.reserve(labels.size());
    for (const auto& label : labels) {
        views.push_back({label.name, label.value});
    }
    add(id, group, views);
}

std::optional<SeriesId> SeriesIndex::find(const Labels& labels) const {
    std::vector<PairId> pairs;
    pairs.reserve(labels.size());
    for (const auto& label : labels) {
        const auto known = pair(label.name, label.value);
        if (!known) {
            return std::nullopt;
        }
        pairs.push_back(*known);
    }
    const auto known = by_pairs_.find(std::span<const PairId>(pairs));
    if (known == by_pairs_.end()) {
        return std::nullopt;
    }
    return *known;
}

Labels SeriesIndex::materialise(SeriesId id) const {
    std::vector<Label> labels;
    labels.reserve(series_[id].count);
    for (const auto pair : pairs(id)) {
        labels.push_back(Label{texts_[pairs_[pair].name], texts_[pairs_[pair].value]});
    }
    return Labels(std::move(labels));
}

std::shared_ptr<const Labels> SeriesIndex::labels(SeriesId id) const {
    const MutexLock lock(cache_mutex_);
    const auto known = cache_.find(id);
    if (known != cache_.end()) {
        return known->second;
    }
    if (labelBytes(id) > kCachedLabelBytes) {
        return std::make_shared<const Labels>(materialise(id));
    }
    if (cache_.size() >= kCachedLabels) {
        // A query of very many series should not evict the series that rules read every time.
        if (++cache_misses_ < kCachedLabels) {
            return std::make_shared<const Labels>(materialise(id));
        }
        cache_.clear();
        cache_misses_ = 0;
    }
    return cache_.emplace(id, std::make_shared<const Labels>(materialise(id))).first->second;
}

std::size_t SeriesIndex::labelBytes(SeriesId id) const {
    std::size_t bytes = 0;
    for (const auto pair : pairs(id)) {
        bytes += texts_[pairs_[pair].name].size() + texts_[pairs_[pair].value].size();
    }
    return bytes;
}

std::vector<SeriesId> SeriesIndex::all() const {
    std::vector<SeriesId> ids;
    ids.reserve(size());
    series_.forEach([&](SeriesId id, const Series&) { ids.push_back(id); });
    return ids;
}

std::unique_ptr<SeriesIndex> SeriesIndex::without(const std::vector<SeriesId>& gone) const {
    auto left = std::make_unique<SeriesIndex>();
    std::vector<LabelView> labels;
    series_.forEach([&](SeriesId id, const Series& series) {
        if (std::binary_search(gone.begin(), gone.end(), id)) {
            return;
        }
        labels.clear();
        for (const auto pair : pairs(id)) {
            labels.push_back({texts_[pairs_[pair].name], texts_[pairs_[pair].value]});
        }
        left->add(id, series.group, labels);
    });
    return left;
}

std::vector<std::pair<SeriesIndex::PairId, std::string>> SeriesIndex::valuesFrom(std::string_view name,
                                                                                 std::size_t first,
                                                                                 std::size_t most) const {
    std::vector<std::pair<PairId, std::string>> out;
    const auto known = symbol(name);
    const auto values = known ? values_.find(*known) : values_.end();
    if (values == values_.end()) {
        return out;
    }
    for (std::size_t i = first; i < values->second.size() && out.size() < most; ++i) {
        const PairId pair = values->second[i];
        out.emplace_back(pair, texts_[pairs_[pair].value]);
    }
    return out;
}

SeriesIndex::Postings SeriesIndex::withValue(const Matcher& matcher, bool wanted,
                                             const Comparisons& comparisons) const {
    if (matcher.type() == Matcher::Type::equal && wanted) {
        const auto known = pair(matcher.name(), matcher.value());
        return known ? postings_[*known] : Postings();
    }
    const auto name = symbol(matcher.name());
    const auto values = name ? values_.find(*name) : values_.end();
    if (values == values_.end()) {
        return {};
    }
    const auto comparison = comparisons.find(&matcher);
    const bool usable = comparison != comparisons.end() && comparison->second.version == version_;
    const std::size_t compared = usable ? comparison->second.compared : 0;
    Postings ids;
    std::size_t lists = 0;
    const auto add = [&](PairId pair) {
        QueryLimits::enforceMemory();
        ids.insert(ids.end(), postings_[pair].begin(), postings_[pair].end());
        ++lists;
    };
    if (usable) {
        // The comparison tells the accepted ones. They come in the order of the values.
        auto accepted = comparison->second.matched.begin();
        for (std::size_t i = 0; i < compared; ++i) {
            const PairId pair = values->second[i];
            const bool matched = accepted != comparison->second.matched.end() && *accepted == pair;
            accepted += matched ? 1 : 0;
            if (matched == wanted) {
                add(pair);
            }
        }
    }
    for (std::size_t i = compared; i < values->second.size(); ++i) {
        const PairId pair = values->second[i];
        if (matcher.matches(texts_[pairs_[pair].value]) == wanted) {
            add(pair);
        }
    }
    // A series has one value for a name, so the lists are disjoint.
    if (lists > 1) {
        std::sort(ids.begin(), ids.end());
    }
    return ids;
}

std::vector<SeriesId> SeriesIndex::select(const Matchers& matchers, const Comparisons& comparisons) const {
    // A matcher that accepts "" also accepts series without the label, so series that it refuses are removed.
    std::vector<SeriesId> ids;
    bool narrowed = false;
    for (const auto& matcher : matchers) {
        if (matcher.matches(std::string_view())) {
            continue;
        }
        auto list = withValue(matcher, true, comparisons);
        if (narrowed) {
            std::vector<SeriesId> both;
            std::set_intersection(ids.begin(), ids.end(), list.begin(), list.end(), std::back_inserter(both));
            ids = std::move(both);
        } else {
            ids = std::move(list);
            narrowed = true;
        }
        if (ids.empty()) {
            return ids;
        }
    }
    if (!narrowed) {
        ids = all();
    }
    for (const auto& matcher : matchers) {
        if (!matcher.matches(std::string_view())) {
            continue;
        }
        const auto refused = withValue(matcher, false, comparisons);
        std::vector<SeriesId> rest;
        std::set_difference(ids.begin(), ids.end(), refused.begin(), refused.end(), std::back_inserter(rest));
        ids = std::move(rest);
    }
    return ids;
}

std::vector<SeriesId> SeriesIndex::selectAny(const std::vector<Matchers>& any,
                                             const Comparisons& comparisons) const {
    if (any.empty()) {
        return all();
    }
    std::vector<SeriesId> ids;
    for (const auto& matchers : any) {
        const auto more = select(matchers, comparisons);
        std::vector<SeriesId> both;
        both.reserve(ids.size() + more.size());
        std::set_union(ids.begin(), ids.end(), more.begin(), more.end(), std::back_inserter(both));
        ids = std::move(both);
    }
    return ids;
}

}  // namespace lapwing::storage
