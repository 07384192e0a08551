#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/runner/sink.h"

namespace lapwing::agent {

/// The state of a probe's last run.
struct ProbeState {
    enum class Outcome { waiting, ok, failed };

    std::string kind;  ///< ProbeSpec::kind
    std::string job;
    std::string instance;
    Labels labels;
    std::chrono::milliseconds interval{};
    Outcome outcome = Outcome::waiting;  ///< waiting: it has not run yet
    std::string reason;                  ///< of a failure: the error's kind
    std::string message;                 ///< of a failure; else the run's note
    TimestampMs at = 0;                  ///< when the run began
    double took_seconds = 0;
    std::size_t samples = 0;
    bool overdue = false;  ///< an abandoned run has still not come back
};

/// Runs probes, each at its interval (schedule.h), and turns each run into samples: what the probe yields,
/// with its job, instance and labels; `up`, `scrape_duration_seconds`, `scrape_samples_scraped`;
/// `lapwing_probe_failure` if it failed; staleness markers for series that it no longer yields.
///
/// A run that has not ended at its deadline is reported as failed (`timeout`), and its late result is
/// dropped. No probe is run again before its last run has come back; until then each of its turns is reported
/// as failed. No probe waits for another probe. All timestamps of a run are the time at which it began.
class Runner {
  public:
    /// Threads of the runner call the sinks.
    Runner(std::vector<ProbeSpec> specs, Sink sink, DocumentSink documents,
           DescriptionSink describe = nullptr);
    /// Stops without waiting.
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    void start();
    /// Begins no further run and waits at most `grace` for those under way. The sinks are not called after.
    /// Hung runs stay behind with the objects that they use; a process with such runs ends with std::_Exit.
    void stop(std::chrono::milliseconds grace);

    /// Any thread.
    std::vector<ProbeState> states() const;
    /// The last time the scheduler was active: long ago means that it is stuck. Any thread.
    Deadline::Clock::time_point lastActive() const;

  private:
    struct Core;
    std::shared_ptr<Core> core_;
};

}  // namespace lapwing::agent
