#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/storage/log_entry.h"
#include "collector/storage/paged_vector.h"
#include "collector/storage/sample_stream.h"

namespace lapwing::storage {

/// A compressed copy of one series' samples in a head: quick to take under a lock, decoded without it.
struct HeadPart {
    std::string stream;        ///< a SampleStream's bytes
    std::vector<Sample> late;  ///< ascending
};

/// Merges the samples of `part` in [from, to] into `out`, which stays sorted with one sample for each
/// timestamp. If both have a timestamp, the sample in `out` stays.
void mergeInto(const HeadPart& part, TimestampMs from, TimestampMs to, std::vector<Sample>& out);
void mergeInto(std::vector<Sample> samples, std::vector<Sample>& out);

/// The samples in the arrival log that are not in blocks yet: a compressed stream for each series, and beside
/// it the samples that came out of order. Not synchronised.
class Head {
  public:
    /// Appends ascending samples. The head must not contain any of them yet.
    void append(SeriesId id, std::span<const Sample> samples);
    bool contains(SeriesId id) const { return series_.contains(id); }
    /// Calls `use(id)` for each series in the head, in ascending order.
    template <class Use>
    void forEachSeries(Use use) const {
        series_.forEach([&](SeriesId id, const SampleStream&) { use(id); });
    }
    /// The series is in the head.
    TimestampMs oldest(SeriesId id) const;
    TimestampMs newest(SeriesId id) const { return series_[id].last(); }
    /// Empty if the series has no sample in [from, to].
    HeadPart copy(SeriesId id, TimestampMs from, TimestampMs to) const;

    std::size_t samples() const { return samples_; }
    bool empty() const { return samples_ == 0; }

  private:
    PagedVector<SampleStream> series_;
    std::unordered_map<SeriesId, std::vector<Sample>> late_;
    std::size_t samples_ = 0;
};

}  // namespace lapwing::storage
