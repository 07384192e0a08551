#pragma once

#include <string>

#include "common/model/sample.h"

namespace lapwing::analysis {

/// Seconds from one time to another; negative if `to` is earlier.
double secondsBetween(TimestampMs from, TimestampMs to);

/// "0.4 s", "12 s", "3 min", "5 h"
std::string durationText(double seconds);

}  // namespace lapwing::analysis
