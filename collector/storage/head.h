#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/storage/log_entry.h"

namespace lapwing::storage {

/// A copy of one series' part of a head, still compressed: cheap to take under a lock, decoded after it.
struct HeadPart {
    std::string sealed;
    std::vector<Sample> recent;
};

/// Adds the samples of `part` that lie in [from, to] to `out`, which stays sorted, with one sample a
/// timestamp: of two, the one that was in `out` stays.
void mergeInto(const HeadPart& part, TimestampMs from, TimestampMs to, std::vector<Sample>& out);
void mergeInto(std::vector<Sample> samples, std::vector<Sample>& out);

/// The samples that are in the arrival log but not in chunks yet, kept compact: each series has a few recent
/// samples as they are and older ones in compressed pieces. Not synchronised.
class Head {
  public:
    /// Ascending, none of which the head has already.
    void append(SeriesId id, const std::vector<Sample>& samples);
    bool contains(SeriesId id) const;
    std::optional<double> find(SeriesId id, TimestampMs at) const;
    /// Only pieces that overlap [from, to] are copied.
    HeadPart copy(SeriesId id, TimestampMs from, TimestampMs to) const;

    std::size_t samples() const { return samples_; }
    bool empty() const { return samples_ == 0; }
    /// One more than the highest id that it may contain.
    SeriesId end() const { return static_cast<SeriesId>(series_.size()); }

  private:
    struct Series {
        std::string sealed;          ///< pieces: length, first and last timestamp, encodeSamples()
        std::vector<Sample> recent;  ///< ascending
    };
    std::vector<Series> series_;
    std::size_t samples_ = 0;
};

}  // namespace lapwing::storage
