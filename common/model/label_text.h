#pragma once

#include <string>

#include "common/model/labels.h"

namespace lapwing {

/// Labels::toString(), cut to some 300 bytes, for messages about a series: its sender chooses how long its
/// labels are.
std::string shortText(const Labels& labels);

}  // namespace lapwing
