#pragma once

#include <prometheus/metric_family.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace lapwing::agent {

/// A text that a probe found and that does not fit into labels: sent once by digest, cited by samples.
struct FoundDocument {
    std::string kind;  ///< "ruleset", "mysql_error"
    std::string body;
};

/// What one run of a probe yields: the families that the exporter it replaces would expose, without `job`,
/// `instance`, `up` and `scrape_*`, which the runner adds.
struct ProbeResult {
    std::vector<prometheus::MetricFamily> families;
    std::vector<FoundDocument> documents;
    /// The run looked at a part only of what the probe looks at, the same part in every partial run. What the
    /// last partial run had and this one has not is gone, and the runner ends it (a staleness marker); what
    /// only whole runs have is not at hand, and ends with the next whole run that does not have it, or with a
    /// run that fails. `up` and `scrape_*` are as always.
    bool partial = false;
    /// What people should know although the run succeeded: the part that is not seen, and what to do about
    /// it. Shown by `status`, and logged when it changes. Holds in partial runs too.
    std::string note;
    /// Set where the run failed and has something to say all the same (`nginx_up 0`, `probe_success 0`): `up`
    /// is 0 as if collect() had returned this Error, and the families are reported. It is not `partial`: what
    /// is missing ends.
    std::optional<Error> failure;
};

/// When a run must have ended. Monotonic, so a change of the wall clock moves nothing.
class Deadline {
  public:
    using Clock = std::chrono::steady_clock;
    explicit Deadline(std::chrono::milliseconds from_now) : at_(Clock::now() + from_now) {}
    Clock::time_point at() const { return at_; }
    /// Never negative.
    std::chrono::milliseconds remaining() const {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(at_ - Clock::now());
        return left.count() > 0 ? left : std::chrono::milliseconds(0);
    }
    /// What a probe gives its waits: a little less than what remains, so that it can still say by itself what
    /// did not answer.
    std::chrono::milliseconds budget() const {
        const auto left = remaining();
        return left > std::chrono::milliseconds(400) ? left - std::chrono::milliseconds(100) : left * 3 / 4;
    }
    bool passed() const { return Clock::now() >= at_; }

  private:
    Clock::time_point at_;
};

/// Looks at one thing, again and again. The runner calls collect() from one thread at a time, never again
/// before the last call has returned (single flight), and reports `up 0` at the deadline whether or not it
/// has: a run that outlives its deadline is abandoned, not awaited. A probe gives every wait a timeout of at
/// most `deadline.remaining()`, so that it comes back by itself; nothing else may rely on it doing so.
class Probe {
  public:
    virtual ~Probe() = default;
    /// An Error becomes `up 0`; its kind becomes the label `reason`, its message the status line.
    virtual Expected<ProbeResult> collect(const Deadline& deadline) = 0;
};

}  // namespace lapwing::agent
