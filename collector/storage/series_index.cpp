#include "collector/storage/series_index.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace lapwing::storage {
namespace {

/// So many label sets are kept ready; a hundred thousand would cost more memory than all the samples.
constexpr std::size_t kCachedLabels = 2048;

}  // namespace

std::uint32_t SeriesIndex::intern(const std::string& text) {
    const auto known = symbols_.find(text);
    if (known != symbols_.end()) return known->second;
    const auto symbol = static_cast<std::uint32_t>(texts_.size());
    texts_.push_back(text);
    symbols_.emplace(texts_.back(), symbol);
    return symbol;
}

std::optional<std::uint32_t> SeriesIndex::symbol(std::string_view text) const {
    const auto known = symbols_.find(text);
    if (known == symbols_.end()) return std::nullopt;
    return known->second;
}

void SeriesIndex::add(SeriesId id, GroupId group, const Labels& labels) {
    if (id >= series_.size()) series_.resize(id + std::size_t{1});
    Series& series = series_[id];
    series.present = true;
    series.group = group;
    series.labels.reserve(labels.size());
    for (const auto& label : labels) {
        const SymbolPair pair{intern(label.name), intern(label.value)};
        series.labels.push_back(pair);
        Postings& list = postings_[pair.name][pair.value];
        if (list.empty() || list.back() < id) {
            list.push_back(id);
        } else {
            list.insert(std::lower_bound(list.begin(), list.end(), id), id);
        }
    }
    const auto [same, first] = by_hash_.try_emplace(labels.hash(), id);
    if (!first) series.same_hash = std::exchange(same.value(), id);
    ++count_;
}

bool SeriesIndex::equals(SeriesId id, const Labels& labels) const {
    const auto& own = series_[id].labels;
    return own.size() == labels.size() &&
           std::equal(own.begin(), own.end(), labels.begin(), [this](SymbolPair pair, const Label& label) {
               return texts_[pair.value] == label.value && texts_[pair.name] == label.name;
           });
}

std::optional<SeriesId> SeriesIndex::find(const Labels& labels) const {
    const auto known = by_hash_.find(labels.hash());
    if (known == by_hash_.end()) return std::nullopt;
    for (SeriesId id = known->second; id != 0; id = series_[id].same_hash) {
        if (equals(id, labels)) return id;
    }
    return std::nullopt;
}

Labels SeriesIndex::materialise(SeriesId id) const {
    std::vector<Label> labels;
    labels.reserve(series_[id].labels.size());
    for (const auto pair : series_[id].labels) labels.push_back(Label{texts_[pair.name], texts_[pair.value]});
    return Labels(std::move(labels));
}

std::shared_ptr<const Labels> SeriesIndex::labels(SeriesId id) const {
    const std::lock_guard lock(cache_mutex_);
    const auto known = cache_.find(id);
    if (known != cache_.end()) return known->second;
    if (cache_.size() >= kCachedLabels) {
        // A query of very many series should not drive out what rules ask for again and again.
        if (++cache_misses_ < kCachedLabels) return std::make_shared<const Labels>(materialise(id));
        cache_.clear();
        cache_misses_ = 0;
    }
    return cache_.emplace(id, std::make_shared<const Labels>(materialise(id))).first->second;
}

std::vector<SeriesId> SeriesIndex::all() const {
    std::vector<SeriesId> ids;
    ids.reserve(count_);
    for (SeriesId id = 0; id < series_.size(); ++id) {
        if (series_[id].present) ids.push_back(id);
    }
    return ids;
}

SeriesIndex::Postings SeriesIndex::withValue(const Matcher& matcher, bool wanted) const {
    const auto name = symbol(matcher.name());
    if (!name) return {};
    const auto values = postings_.find(*name);
    if (values == postings_.end()) return {};
    if (matcher.type() == Matcher::Type::equal && wanted) {
        const auto value = symbol(matcher.value());
        if (!value) return {};
        const auto list = values->second.find(*value);
        return list == values->second.end() ? Postings() : list->second;
    }
    Postings ids;
    std::size_t lists = 0;
    for (const auto& [value, list] : values->second) {
        if (matcher.matches(texts_[value]) != wanted) continue;
        ids.insert(ids.end(), list.begin(), list.end());
        ++lists;
    }
    // A series has one value only: the lists are disjoint.
    if (lists > 1) std::sort(ids.begin(), ids.end());
    return ids;
}

std::vector<SeriesId> SeriesIndex::select(const Matchers& matchers) const {
    // A matcher that accepts "" accepts series without the label as well: those are found by what it refuses.
    std::vector<SeriesId> ids;
    bool narrowed = false;
    for (const auto& matcher : matchers) {
        if (matcher.matches(std::string_view())) continue;
        auto list = withValue(matcher, true);
        if (narrowed) {
            std::vector<SeriesId> both;
            std::set_intersection(ids.begin(), ids.end(), list.begin(), list.end(), std::back_inserter(both));
            ids = std::move(both);
        } else {
            ids = std::move(list);
            narrowed = true;
        }
        if (ids.empty()) return ids;
    }
    if (!narrowed) ids = all();
    for (const auto& matcher : matchers) {
        if (!matcher.matches(std::string_view())) continue;
        const auto refused = withValue(matcher, false);
        std::vector<SeriesId> rest;
        std::set_difference(ids.begin(), ids.end(), refused.begin(), refused.end(), std::back_inserter(rest));
        ids = std::move(rest);
    }
    return ids;
}

}  // namespace lapwing::storage
