#pragma once

#include <string>

#include "common/model/sample.h"

namespace lapwing::collector {

/// Text for people on a terminal. Safe from any thread.

/// A time of the API (RFC 3339) beside now: "2026-11-23 06:28 UTC (5 min ago)", "2027-06-01 00:00 UTC (in 190
/// d)". Any other text stays, printable().
std::string whenText(const std::string& time, TimestampMs now);

/// The text in the colour of a severity of findings or alerts (`critical`, `high`, `warning`, ...), where
/// standard output is a terminal that has colours. NO_COLOR and TERM=dumb switch colours off
/// (https://no-color.org).
std::string coloured(const std::string& text, const std::string& severity);

}  // namespace lapwing::collector
