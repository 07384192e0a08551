#pragma once

#include <cstdint>
#include <unordered_map>

#include "agent/probes/node/parse.h"

namespace lapwing::agent::node {

/// Keeps the kernel's counters from stepping back. /proc/stat may report less iowait, idle or stolen time
/// than before (proc(5)); PromQL takes every fall for a restart from 0, and rate() of a day-old counter then
/// shows more processors than the host has. Such a counter keeps its last value until the kernel's passes it.
/// Not synchronised.
///
/// A real restart is passed on: for a CPU, a fall of its idle time by three seconds or more restarts all of
/// its modes (a CPU that was switched off and on; the threshold is node_exporter's); for any other counter, a
/// fall to less than half.
class SteadyCounters {
  public:
    /// The families of one run. A counter that a whole run lacks is forgotten.
    void apply(Families& families, bool whole);

  private:
    std::unordered_map<std::uint64_t, double> last_;  ///< by a hash of name and labels
};

}  // namespace lapwing::agent::node
