#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/model/labels.h"

namespace lapwing::storage {

/// Labels as the table `series` holds them.
std::string encodeLabels(const Labels& labels);
/// Error `internal` for what is damaged.
Expected<Labels> decodeLabels(std::string_view data);

}  // namespace lapwing::storage
