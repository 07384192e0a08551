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

/// One alert of a rule, from its first evaluation until its resolution has been sent long enough.
struct TrackedAlert {
    Labels labels;
    Labels annotations;
    Labels source;                           ///< of the expression's element, without the metric's name
    AlertState state = AlertState::pending;  ///< inactive: resolved, and still sent for a while
    double value = 0;
    TimestampMs active_at = 0;
    TimestampMs fired_at = 0;
    TimestampMs resolved_at = 0;
    TimestampMs last_true = 0;  ///< the last evaluation that yielded the alert
    TimestampMs last_sent = 0;
    std::optional<TimestampMs> keep_firing_since;
    std::optional<TimestampMs> unknown_since;
    std::optional<TimestampMs> held_until;  ///< set with unknown_since
};

/// Why an evaluation did not yield an alert that the one before had.
enum class Absence {
    ended,    ///< its condition has ended
    silent,   ///< the data of its only source are missing
    partial,  ///< some inputs of an aggregate are missing, and they could make the condition true again
};

/// The result of one evaluation for one alert.
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
    std::int64_t hold_silent_ms = 0;
    std::int64_t hold_partial_ms = 0;
};

/// The states of one alerting rule's alerts: inactive, pending and firing, with the transitions of
/// Prometheus' AlertingRule.Eval, and held while data are missing. Not synchronised.
class AlertTracker {
  public:
    /// Explains the absence of each vanished alert, in their order.
    using Explain = std::function<std::vector<Absence>(const std::vector<const TrackedAlert*>&)>;

    /// Advances every alert. Candidates have unique labels. True if a change must survive a restart.
    bool update(TimestampMs now, std::vector<AlertCandidate> candidates, const AlertTimes& times,
                const Explain& explain);

    /// Moves every time of the alerts, because the site's time jumped by `jump_ms`: their timers run by the
    /// time that passes.
    void shiftTimes(std::int64_t jump_ms);

    /// The alerts to send now; marks them as sent. `valid_ms` is how long receivers may consider a firing
    /// alert valid without an update.
    std::vector<notify::Alert> due(TimestampMs now, std::int64_t resend_delay_ms, std::int64_t valid_ms,
                                   const std::string& generator_url);

    /// The same for all firing alerts, as resolved at `now`, because the rule was removed.
    std::vector<notify::Alert> resolveAll(TimestampMs now, const std::string& generator_url) const;

    /// ALERTS and ALERTS_FOR_STATE of the active alerts.
    std::vector<TimeSeries> series(TimestampMs now) const;

    /// Pending and firing, sorted by labels.
    std::vector<AlertStatus> active() const;
    bool empty() const { return alerts_.empty(); }

    /// The state that must survive a restart, as JSON. `query` is the rule's expression, for savedQuery().
    std::string save(TimestampMs evaluated_at, const std::string& query) const;
    /// The expression of the rule that a text of save() belongs to. Nothing if the text does not name it.
    static std::optional<std::string> savedQuery(const std::string& saved);
    /// Error `invalid` for text that save() did not write.
    Expected<void> restore(const std::string& saved);

  private:
    bool vanish(TrackedAlert& alert, Absence absence, TimestampMs now, const AlertTimes& times) const;
    void dropStalePending(TimestampMs now);

    std::map<Labels, TrackedAlert> alerts_;
    std::optional<TimestampMs> restored_at_;  ///< when the restored state had last been evaluated
};

}  // namespace lapwing::rules
