#pragma once

#include <vector>

#include "agent/attempts/outcome.h"
#include "agent/attempts/target_attempts.h"
#include "common/model/sample.h"

namespace lapwing::agent {

/// The series of a report (docs/metrics.md): `lapwing_attempt_*` of the results and controls,
/// `lapwing_canary_*` of the canaries, with job="firewall" and instance = the peer. Pure.
std::vector<TimeSeries> attemptSeries(const std::vector<AttemptResult>& results, const Controls& controls,
                                      const Outcomes& canaries, TimestampMs now);

}  // namespace lapwing::agent
