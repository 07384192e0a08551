#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis::evidence {

/// Over how long requests are counted (R13).
inline constexpr std::int64_t kCountingMs = 600'000;
/// Two successive samples of a series that are further apart have a gap between them.
inline constexpr std::int64_t kGapMs = 60'000;

/// The increase of a counter within the last kCountingMs; nothing if it was not observed for (nearly) all of
/// that time. A counter that fell started again from 0.
std::optional<double> increase(const std::vector<Sample>& samples, TimestampMs now);

/// All samples have one value.
bool isConstant(const std::vector<Sample>& samples);

}  // namespace lapwing::analysis::evidence
