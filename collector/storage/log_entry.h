#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::storage {

using SeriesId = std::uint32_t;
using GroupId = std::uint32_t;

/// What one series got from one batch, in ascending order of time.
struct SeriesBatch {
    SeriesId id = 0;
    std::vector<Sample> samples;
};

/// The payload of one entry of the arrival log, with a checksum. Pure functions.
std::string encodeLogEntry(const std::vector<SeriesBatch>& batch);
/// Error `internal` for a damaged entry.
Expected<std::vector<SeriesBatch>> decodeLogEntry(std::string_view payload);

}  // namespace lapwing::storage
