#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/labels.h"

namespace lapwing::storage {

/// The length of all names and values: the bytes that SeriesLimits counts.
std::size_t bytesOf(const Labels& labels);
/// Encodes labels for the table `series`.
std::string encodeLabels(const Labels& labels);
/// Replaces the content of `out` with views into `data`. Error `internal` for damaged data.
Expected<void> decodeLabels(std::string_view data, std::vector<LabelView>& out);

}  // namespace lapwing::storage
