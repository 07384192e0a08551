#pragma once

#include <cstdint>
#include <functional>
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

/// The payload of one entry of the arrival log, with a checksum. Pure functions.
std::string encodeLogEntry(std::span<const SeriesBatch> batch);
/// Tells `each` of every series, whose samples it may look at until it returns. Error `internal` for a
/// damaged entry; `each` may have been told of some of it then, unless the damage is one that the checksum
/// shows.
Expected<void> decodeLogEntry(std::string_view payload, const std::function<void(const SeriesBatch&)>& each);

}  // namespace lapwing::storage
