#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/runner/sink.h"

namespace lapwing::agent {

/// How the last run of a probe went.
struct ProbeState {
    enum class Outcome { waiting, ok, failed };

    std::string job;
    std::string instance;
    Labels labels;
    std::chrono::milliseconds interval{};
    Outcome outcome = Outcome::waiting;  ///< waiting: has not been run yet
    std::string reason;                  ///< of a failure: the error's kind
    std::string message;                 ///< of a failure; else the run's note
    TimestampMs at = 0;                  ///< when the run began
    double took_seconds = 0;
    std::size_t samples = 0;
    bool overdue = false;  ///< a run that was given up has still not come back
};

/// Runs probes, each at its interval (schedule.h), and turns each run into samples: what the probe yields,
/// with its job, instance and labels; `up`, `scrape_duration_seconds`, `scrape_samples_scraped`;
/// `lapwing_probe_failure` if it failed; staleness markers for series that it no longer yields.
///
/// A run that has not ended at its deadline is reported then as failed (`timeout`) and its result, if one
/// ever comes, is dropped. No probe is run again before its last run has come back; until then each of its
/// turns is reported as failed. No probe waits for another one. All timestamps of a run are the time at which
/// it began.
class Runner {
  public:
    /// The sinks are called from threads of the runner's own.
    Runner(std::vector<ProbeSpec> specs, Sink sink, DocumentSink documents,
           DescriptionSink describe = nullptr);
    /// Stops without waiting.
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    void start();
    /// Begins no further run, waits at most `grace` for those under way. The sinks are not called after. Runs
    /// that hang are left behind with what they need; a process with such runs ends with std::_Exit.
    void stop(std::chrono::milliseconds grace);

    /// Any thread.
    std::vector<ProbeState> states() const;
    /// When the schedule was last looked at: long ago means that the runner is stuck. Any thread.
    Deadline::Clock::time_point lastActive() const;

  private:
    struct Core;
    std::shared_ptr<Core> core_;
};

}  // namespace lapwing::agent
