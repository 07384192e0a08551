#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::storage {

using SeriesId = std::uint32_t;
using GroupId = std::uint32_t;

/// What one series got from one batch, in ascending order of time. Looks into somebody else's memory.
struct SeriesBatch {
    SeriesId id = 0;
    std::span<const Sample> samples;
};

/// The Error for an entry of the arrival log that names a series that does not exist.
tl::unexpected<Error> unknownInLog(SeriesId id);

/// The payload of one entry of the arrival log, with a checksum.
std::string encodeLogEntry(std::span<const SeriesBatch> batch);

/// An entry of the arrival log, decoded; one object for entry after entry, as a replay reads millions of
/// samples. Not synchronised.
class LogEntry {
  public:
    /// Takes the place of what was there before. Error `internal` for a damaged entry.
    Expected<void> decode(std::string_view payload);
    /// Valid until the next decode().
    std::span<const SeriesBatch> series() const { return series_; }

  private:
    std::vector<SeriesBatch> series_;
    std::vector<Sample> samples_;
};

}  // namespace lapwing::storage
