#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/storage/log_entry.h"
#include "collector/storage/sample_stream.h"

namespace lapwing::storage {

/// A copy of one series' part of a head, still compressed: cheap to take under a lock, decoded after it.
struct HeadPart {
    std::string stream;        ///< a SampleStream's bytes
    std::vector<Sample> late;  ///< ascending
};

/// Adds the samples of `part` that lie in [from, to] to `out`, which stays sorted, with one sample a
/// timestamp: of two, the one that was in `out` stays.
void mergeInto(const HeadPart& part, TimestampMs from, TimestampMs to, std::vector<Sample>& out);
void mergeInto(std::vector<Sample> samples, std::vector<Sample>& out);

/// The samples that are in the arrival log but not in chunks yet: for each series a compressed stream, and
/// beside it those that came out of order. Not synchronised.
class Head {
  public:
    /// Room for ids below `end`.
    void reserve(SeriesId end) { series_.reserve(end); }
    /// Ascending, none of which the head has already.
    void append(SeriesId id, std::span<const Sample> samples);
    bool contains(SeriesId id) const;
    /// Of a series that it contains.
    TimestampMs oldest(SeriesId id) const;
    TimestampMs newest(SeriesId id) const { return series_[id].last(); }
    /// Empty where nothing of it can lie in [from, to].
    HeadPart copy(SeriesId id, TimestampMs from, TimestampMs to) const;

    std::size_t samples() const { return samples_; }
    bool empty() const { return samples_ == 0; }
    /// One more than the highest id that it may contain.
    SeriesId end() const { return static_cast<SeriesId>(series_.size()); }

  private:
    std::vector<SampleStream> series_;
    std::unordered_map<SeriesId, std::vector<Sample>> late_;
    std::size_t samples_ = 0;
};

}  // namespace lapwing::storage
