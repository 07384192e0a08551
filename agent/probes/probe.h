#pragma once

#include <prometheus/metric_family.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent {

/// A text that a probe found and that does not fit into labels. It is sent once by digest; samples cite the
/// digest.
struct FoundDocument {
    std::string kind;  ///< "ruleset", "mysql_error"
    std::string body;
};

/// The result of one run of a probe: the families that the replaced exporter would expose, without `job`,
/// `instance`, `up` and `scrape_*`, which the runner adds.
struct ProbeResult {
    std::vector<prometheus::MetricFamily> families;
    /// Makes further families, one with each call; false after the last. A family takes some 300 bytes of
    /// memory for each sample, so the families of a large answer never exist at the same time.
    std::function<bool(prometheus::MetricFamily&)> more;
    /// The target's own number of samples, where some of them are not reported: `scrape_samples_scraped`.
    std::optional<std::size_t> scraped;
    std::vector<FoundDocument> documents;
    /// The run looked at a part only, the same part in every partial run of its depth. Series of the last
    /// partial run that this one lacks are gone, and the runner ends them (a staleness marker). Series of
    /// whole runs only are not at hand: they end with the next whole run that lacks them, or with a run that
    /// fails. `up` and `scrape_*` are as always.
    bool partial = false;
    /// Of a partial run, 0 or 1: a run of depth 1 looked at everything that runs of depth 0 look at, and at
    /// more. Series that only runs of depth 1 have are not at hand in runs of depth 0.
    unsigned depth = 0;
    /// A message for people although the run succeeded: the part that could not be seen, and the remedy.
    /// Shown by `status`, and logged when it changes. Valid in partial runs too.
    std::string note;
    /// The run succeeded, and its verdict on the target is bad (`probe_success 0`); `note` says why. `probe
    /// NAME` then fails.
    bool check_failed = false;
    /// Set where the run failed and still has samples (`nginx_up 0`, `probe_success 0`): `up` is 0 as if
    /// collect() had returned this Error, and the families are reported. It is not `partial`: missing series
    /// end.
    std::optional<Error> failure;

    /// All families, those of more() too.
    std::vector<prometheus::MetricFamily> takeAll() {
        auto out = std::move(families);
        for (prometheus::MetricFamily family; more && more(family);) {
            out.push_back(std::move(family));
        }
        return out;
    }
};

/// The end of a run's time. Monotonic, so that a change of the wall clock moves nothing.
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
    /// The time for a probe's waits: a little less than what remains, so that the probe itself can name the
    /// part that did not answer.
    std::chrono::milliseconds budget() const {
        const auto left = remaining();
        return left > std::chrono::milliseconds(400) ? left - std::chrono::milliseconds(100) : left * 3 / 4;
    }
    bool passed() const { return Clock::now() >= at_; }

  private:
    Clock::time_point at_;
};

/// Looks at one target, again and again. The runner calls collect() from one thread at a time, never again
/// before the last call has returned (single flight). At the deadline it reports `up 0` whether or not the
/// call has returned: a run that outlives its deadline is abandoned, not awaited. A probe gives every wait a
/// timeout of at most `deadline.remaining()`, so that it comes back by itself; nothing else may rely on
/// that.
class Probe {
  public:
    virtual ~Probe() = default;
    /// The running agent names its directory for state once, before the first run. A run by hand has none,
    /// and must leave the agent's alone.
    virtual void keepIn(const std::string& /*directory*/) {}
    /// An Error becomes `up 0`; its kind becomes the label `reason`, its message the status line.
    virtual Expected<ProbeResult> collect(const Deadline& deadline) = 0;
};

}  // namespace lapwing::agent
