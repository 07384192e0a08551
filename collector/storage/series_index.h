#pragma once

#include <tsl/robin_map.h>
#include <tsl/robin_set.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collector/storage/log_entry.h"
#include "collector/storage/paged_vector.h"
#include "collector/storage/queryable.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The inverted index: the labels of every series, interned as symbols, and for each label and value the
/// ascending list of series that have it (postings). Concurrent reads are safe; a change needs exclusive
/// access.
class SeriesIndex {
  public:
    SeriesIndex();
    SeriesIndex(const SeriesIndex&) = delete;
    SeriesIndex& operator=(const SeriesIndex&) = delete;

    /// Ids begin at 1 and may have gaps. Labels are sorted by name; every label set is added only once.
    void add(SeriesId id, GroupId group, std::span<const LabelView> labels);
    void add(SeriesId id, GroupId group, const Labels& labels);

    /// A new index without `gone`, which is ascending. Symbols that no other series uses go with this one.
    std::unique_ptr<SeriesIndex> without(const std::vector<SeriesId>& gone) const;

    std::optional<SeriesId> find(const Labels& labels) const;
    /// The labels that a regular expression was compared with in advance, because this may take long and
    /// needs no lock: of all values of the matcher's label, the first `compared`.
    struct Comparison {
        std::uint64_t version = 0;  ///< of the index
        std::size_t compared = 0;
        std::vector<std::uint32_t> matched;  ///< PairIds
    };
    using Comparisons = std::map<const Matcher*, Comparison>;

    /// Ascending ids of the series that meet all matchers.
    std::vector<SeriesId> select(const Matchers& matchers, const Comparisons& comparisons = {}) const;
    /// Ascending ids of the series that meet any of the sets of matchers; of all series without a set.
    std::vector<SeriesId> selectAny(const std::vector<Matchers>& any,
                                    const Comparisons& comparisons = {}) const;
    std::vector<SeriesId> all() const;
    /// The values that a label has.
    std::unordered_set<std::string> values(std::string_view name) const;

    bool contains(SeriesId id) const { return series_.contains(id); }
    GroupId group(SeriesId id) const { return series_[id].group; }
    /// A cached object, unless the labels are long or very many series are asked for.
    std::shared_ptr<const Labels> labels(SeriesId id) const;
    /// The length of all names and values.
    std::size_t labelBytes(SeriesId id) const;

    /// Name and value of a label as symbols. text() returns their strings.
    struct SymbolPair {
        std::uint32_t name = 0;
        std::uint32_t value = 0;
    };
    /// The number of a distinct label (name and value).
    using PairId = std::uint32_t;
    std::span<const PairId> pairs(SeriesId id) const {
        return std::span(pairs_of_).subspan(series_[id].first, series_[id].count);
    }
    SymbolPair symbols(PairId pair) const { return pairs_[pair]; }
    /// The value of the label with this name, as a symbol; nothing if the series has none.
    std::optional<std::uint32_t> value(SeriesId id, std::uint32_t name) const;
    const std::string& text(std::uint32_t symbol) const { return texts_[symbol]; }
    std::optional<std::uint32_t> symbol(std::string_view text) const;

    std::size_t size() const { return by_pairs_.size(); }

    /// Differs between the indexes of a process. PairIds are of one index.
    std::uint64_t version() const { return version_; }
    /// Distinct labels with that name and their values, `most` of them from the one at `first` on, in an
    /// order that stays. Empty at the end.
    std::vector<std::pair<PairId, std::string>> valuesFrom(std::string_view name, std::size_t first,
                                                           std::size_t most) const;

  private:
    struct Series {
        std::uint32_t first = 0;  ///< in pairs_of_
        std::uint32_t count = 0;
        GroupId group = 0;
        std::uint32_t hash = 0;
    };
    using Postings = std::vector<SeriesId>;
    /// For the set of series, which finds a series by its id or by its labels.
    struct Hash {
        const SeriesIndex* index;
        std::size_t operator()(SeriesId id) const { return index->series_[id].hash; }
        std::size_t operator()(std::span<const PairId> pairs) const;
    };
    struct Same {
        using is_transparent = void;
        const SeriesIndex* index;
        bool operator()(SeriesId a, SeriesId b) const { return a == b; }
        bool operator()(SeriesId id, std::span<const PairId> pairs) const;
        bool operator()(std::span<const PairId> pairs, SeriesId id) const { return (*this)(id, pairs); }
    };

    std::uint32_t intern(std::string_view text);
    PairId intern(const LabelView& label);
    std::optional<PairId> pair(std::string_view name, std::string_view value) const;
    Labels materialise(SeriesId id) const;
    /// Series whose label has a value that the matcher accepts (`wanted`) or refuses.
    Postings withValue(const Matcher& matcher, bool wanted, const Comparisons& comparisons) const;

    const std::uint64_t version_;
    std::deque<std::string> texts_;
    tsl::robin_map<std::string_view, std::uint32_t> symbols_;
    std::vector<SymbolPair> pairs_;
    std::vector<Postings> postings_;                                 ///< by PairId
    tsl::robin_map<std::uint64_t, PairId> pair_ids_;                 ///< by name and value
    std::unordered_map<std::uint32_t, std::vector<PairId>> values_;  ///< by name
    PagedVector<Series> series_;
    std::vector<PairId> pairs_of_;  ///< of all series, concatenated
    tsl::robin_set<SeriesId, Hash, Same> by_pairs_;

    mutable Mutex cache_mutex_;
    mutable std::unordered_map<SeriesId, std::shared_ptr<const Labels>> cache_
        LAPWING_GUARDED_BY(cache_mutex_);
    mutable std::size_t cache_misses_ LAPWING_GUARDED_BY(cache_mutex_) = 0;
};

}  // namespace lapwing::storage
