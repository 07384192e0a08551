#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/notify/notifier.h"
#include "collector/rules/manager.h"
#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::rules {

/// One alert of a rule, from its first evaluation until its resolution was sent long enough.
struct TrackedAlert {
    Labels labels;
    Labels annotations;
    Labels source;  ///< of the element that the expression yielded, without the metric's name
    AlertState state = AlertState::pending;  ///< inactive: resolved, still to be sent for a while
    double value = 0;
    TimestampMs active_at = 0;
    TimestampMs fired_at = 0;
    TimestampMs resolved_at = 0;
    TimestampMs last_true = 0;  ///< the last evaluation that yielded it
    TimestampMs last_sent = 0;
    std::optional<TimestampMs> keep_firing_since;
    std::optional<TimestampMs> unknown_since;
};

/// What an evaluation yielded for one alert.
struct AlertCandidate {
    Labels labels;
    Labels annotations;
    Labels source;
    double value = 0;
};

struct AlertTimes {
    std::int64_t for_ms = 0;
    std::int64_t keep_firing_for_ms = 0;
    std::int64_t resolved_retention_ms = 0;
    std::int64_t hold_missing_ms = 0;
};

/// The states of one alerting rule's alerts: inactive, pending, firing, as Prometheus' AlertingRule.Eval
/// moves them, and held where data are missing. Holds no lock.
class AlertTracker {
  public:
    /// Whether the vanished alert's data are missing (rather than telling that all is well).
    using Missing = std::function<bool(const TrackedAlert&)>;

    /// Moves every alert on. Candidates have unique labels. True if something changed that must survive a
    /// restart.
    bool update(TimestampMs now, std::vector<AlertCandidate> candidates, const AlertTimes& times,
                const Missing& missing);

    /// The alerts that are to be sent now; marks them as sent. `valid_ms` is how long a firing one holds
    /// unheard.
    std::vector<notify::Alert> due(TimestampMs now, std::int64_t resend_delay_ms, std::int64_t valid_ms,
                                   const std::string& generator_url);

    /// The same for all that fire, as resolved at `now`: the rule is gone.
    std::vector<notify::Alert> resolveAll(TimestampMs now, const std::string& generator_url) const;

    /// ALERTS and ALERTS_FOR_STATE of the active alerts.
    std::vector<TimeSeries> series(TimestampMs now) const;

    /// Pending and firing, sorted by labels.
    std::vector<AlertStatus> active() const;
    bool empty() const { return alerts_.empty(); }

    /// Everything that a restart must not lose, as JSON.
    std::string save(TimestampMs evaluated_at) const;
    /// Error `invalid` for what save() did not write.
    Expected<void> restore(const std::string& saved);

  private:
    bool vanish(TrackedAlert& alert, TimestampMs now, const AlertTimes& times, const Missing& missing) const;
    void dropStalePending(TimestampMs now);

    std::map<Labels, TrackedAlert> alerts_;
    std::optional<TimestampMs> restored_at_;  ///< when what was restored had been evaluated last
};

}  // namespace lapwing::rules
