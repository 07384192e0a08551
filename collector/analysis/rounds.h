#pragma once

#include <prometheus/metric_family.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "collector/analysis/analyst.h"
#include "common/worker.h"

namespace lapwing::analysis {

/// Runs the analyst every ten seconds in a thread of its own, since the size of a site decides how long a
/// round takes. Failures are logged when they begin. addMetrics() and hasRun() are safe from any thread; one
/// thread makes, starts, stops and destroys it.
class Rounds {
  public:
    /// `now` tells the time of a round. `analyst` must outlive the rounds.
    Rounds(Analyst& analyst, std::function<TimestampMs()> now);

    void start() { worker_.start(); }
    /// Ends a round under way within a tenth of a second.
    void stop();

    /// A round has ended, with or without success.
    bool hasRun() const { return duration_ms_ >= 0; }
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    std::chrono::milliseconds round();

    Analyst& analyst_;
    const std::function<TimestampMs()> now_;
    std::atomic<std::uint64_t> complete_{0};
    std::atomic<std::uint64_t> unfinished_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<std::int64_t> duration_ms_{-1};
    std::string failure_;  ///< of the last round; of round() alone
    Worker worker_;        ///< last: it uses the other members
};

}  // namespace lapwing::analysis
