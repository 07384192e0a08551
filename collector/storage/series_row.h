#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/labels.h"

namespace lapwing::storage {

/// Labels as the table `series` holds them.
std::string encodeLabels(const Labels& labels);
/// They look into `data` and take the place of what was in `out`. Error `internal` for what is damaged.
Expected<void> decodeLabels(std::string_view data, std::vector<LabelView>& out);

}  // namespace lapwing::storage
