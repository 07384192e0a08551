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

/// The samples of one series in one batch, ascending. Refers to memory that it does not own.
struct SeriesBatch {
    SeriesId id = 0;
    std::span<const Sample> samples;
};

/// The Error for an entry of the arrival log that names a series that does not exist.
tl::unexpected<Error> unknownInLog(SeriesId id);

/// The payload of one entry of the arrival log, with a checksum.
std::string encodeLogEntry(std::span<const SeriesBatch> batch);

/// A decoded entry of the arrival log. A replay of millions of samples uses one object for all entries. Not
/// synchronised.
class LogEntry {
  public:
    /// Replaces the previous entry. Error `internal` for a damaged payload.
    Expected<void> decode(std::string_view payload);
    /// Valid until the next decode().
    std::span<const SeriesBatch> series() const { return series_; }

  private:
    std::vector<SeriesBatch> series_;
    std::vector<Sample> samples_;
};

}  // namespace lapwing::storage
