#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/labels.h"

namespace lapwing::storage {

/// Encodes labels for the table `series`.
std::string encodeLabels(const Labels& labels);
/// Replaces the content of `out` with views into `data`. Error `internal` for damaged data.
Expected<void> decodeLabels(std::string_view data, std::vector<LabelView>& out);

}  // namespace lapwing::storage
