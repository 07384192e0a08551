#pragma once

#include <chrono>
#include <string_view>

#include "common/model/sample.h"

namespace lapwing::agent {

/// The schedule of probes. Runs of one job begin at the same wall-clock times on every host, so that data of
/// several hosts lines up: at multiples of the interval plus an offset. The offset depends on the job alone
/// and spreads the jobs over the first tenth of the interval (a second at most).
std::chrono::milliseconds spreadOf(std::string_view job, std::chrono::milliseconds interval);

/// The first such time after `now`, at most one interval away. It is the turn after a probe's first run,
/// which comes at the agent's start and not at such a time.
TimestampMs firstSlot(TimestampMs now, std::chrono::milliseconds interval, std::chrono::milliseconds offset);

/// The next such time after `now`, at least half an interval away: a wall clock that was set back a little,
/// or a timer that fired early, does not cause a second run.
TimestampMs nextSlot(TimestampMs now, std::chrono::milliseconds interval, std::chrono::milliseconds offset);

/// The timestamp of a run that was due at `slot` and began at `now`: the slot if it is at most 50 ms off, as
/// Prometheus aligns its own (regular timestamps compress to almost nothing), otherwise `now`.
TimestampMs stampOf(TimestampMs slot, TimestampMs now);

}  // namespace lapwing::agent
