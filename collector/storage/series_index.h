#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/storage/log_entry.h"
#include "collector/storage/queryable.h"

namespace lapwing::storage {

/// Which series there are and what they are called: labels interned as symbols, and for each label's value
/// the ascending list of series that carry it (an inverted index). Readers may run at the same moment; a
/// change needs the index alone.
class SeriesIndex {
  public:
    /// Ids begin at 1 and may have gaps. A label set is added once only.
    void add(SeriesId id, GroupId group, const Labels& labels);

    std::optional<SeriesId> find(const Labels& labels) const;
    /// Ascending ids of the series that meet all matchers.
    std::vector<SeriesId> select(const Matchers& matchers) const;
    std::vector<SeriesId> all() const;

    bool contains(SeriesId id) const { return id < series_.size() && series_[id].present; }
    GroupId group(SeriesId id) const { return series_[id].group; }
    /// Shared with later callers as long as few series are asked for.
    std::shared_ptr<const Labels> labels(SeriesId id) const;
    /// Names and values of one series as symbols; text() tells what they stand for.
    struct SymbolPair {
        std::uint32_t name = 0;
        std::uint32_t value = 0;
    };
    const std::vector<SymbolPair>& symbols(SeriesId id) const { return series_[id].labels; }
    const std::string& text(std::uint32_t symbol) const { return texts_[symbol]; }
    std::optional<std::uint32_t> symbol(std::string_view text) const;

    std::size_t size() const { return count_; }
    /// One more than the highest id.
    SeriesId end() const { return static_cast<SeriesId>(series_.size()); }

  private:
    struct Series {
        std::vector<SymbolPair> labels;
        GroupId group = 0;
        SeriesId same_hash = 0;  ///< another one; 0: none
        bool present = false;
    };
    using Postings = std::vector<SeriesId>;
    using Values = std::unordered_map<std::uint32_t, Postings>;

    std::uint32_t intern(const std::string& text);
    Labels materialise(SeriesId id) const;
    bool equals(SeriesId id, const Labels& labels) const;
    /// Series whose label has a value that the matcher accepts (`wanted`) or refuses.
    Postings withValue(const Matcher& matcher, bool wanted) const;

    std::deque<std::string> texts_;
    std::unordered_map<std::string_view, std::uint32_t> symbols_;
    std::vector<Series> series_;
    tsl::robin_map<std::uint64_t, SeriesId> by_hash_;
    std::unordered_map<std::uint32_t, Values> postings_;
    std::size_t count_ = 0;

    mutable std::mutex cache_mutex_;
    mutable std::unordered_map<SeriesId, std::shared_ptr<const Labels>> cache_;
    mutable std::size_t cache_misses_ = 0;
};

}  // namespace lapwing::storage
