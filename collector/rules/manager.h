#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/notify/notifier.h"
#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::config {
struct Problem;
}
namespace lapwing::promql {
class Engine;
}
namespace lapwing::storage {
class Store;
}

namespace lapwing::rules {

enum class AlertState { inactive, pending, firing };
/// "inactive", "pending", "firing"
const char* alertStateName(AlertState state);

enum class Health { unknown, ok, err };
/// "unknown", "ok", "err"
const char* healthName(Health health);

/// One active alert, as Prometheus' /api/v1/alerts shows it.
struct AlertStatus {
    Labels labels;       ///< with alertname and the rule's labels
    Labels annotations;  ///< expanded
    AlertState state = AlertState::pending;
    TimestampMs active_at = 0;
    double value = 0;  ///< from the last evaluation that yielded one
    std::optional<TimestampMs> keep_firing_since;
    /// Since when the data behind the alert are missing: it is neither confirmed nor resolved.
    std::optional<TimestampMs> unknown_since;
    std::optional<TimestampMs>
        held_until;                   ///< when it resolves unless the data come back; with unknown_since
    notify::Suppression suppression;  ///< why its notifications are suppressed, if they are
};

enum class RuleType { alerting, recording };

struct RuleStatus {
    RuleType type = RuleType::recording;
    std::string name;              ///< the alert's name, or the recorded metric
    std::string query;             ///< in canonical form
    std::int64_t duration_ms = 0;  ///< `for`
    std::int64_t keep_firing_for_ms = 0;
    Labels labels;                            ///< of the rule, with unexpanded templates
    Labels annotations;                       ///< with unexpanded templates
    std::vector<AlertStatus> alerts;          ///< sorted by labels
    AlertState state = AlertState::inactive;  ///< the most severe state of the alerts
    Health health = Health::unknown;
    std::string last_error;
    double evaluation_seconds = 0;
    TimestampMs last_evaluation = 0;  ///< 0: not evaluated yet
};

struct GroupStatus {
    std::string name;
    std::string file;
    std::int64_t interval_ms = 0;
    int limit = 0;         ///< 0: no limit
    bool builtin = false;  ///< from ManagerOptions::builtin_rules; not shown to people
    std::vector<RuleStatus> rules;
    double evaluation_seconds = 0;
    TimestampMs last_evaluation = 0;
    // Since the start, or since the group was first loaded.
    std::uint64_t evaluations = 0;  ///< of its rules
    std::uint64_t failures = 0;     ///< evaluations that failed, or whose result was not stored as a whole
    std::uint64_t missed = 0;       ///< evaluations of the group that came too late to be made
};

struct ManagerOptions {
    std::int64_t interval_ms = 10'000;  ///< for groups without an interval
    std::string external_url;           ///< `externalURL` of templates, the base of generatorURL
    Labels external_labels;
    /// A rule file that is evaluated beside those of loadFiles() and not shown. Its firing alerts are sent
    /// after each evaluation.
    std::string builtin_rules;
    std::int64_t resend_delay_ms = 60'000;         ///< between two notifications of an ongoing alert
    std::int64_t resolved_retention_ms = 900'000;  ///< how long a resolved alert is still sent
    /// How long an alert is held as unknown while the data of its only source are missing, before it is
    /// resolved; and while some inputs of its aggregate are missing.
    std::int64_t hold_silent_ms = 86'400'000;
    std::int64_t hold_partial_ms = 600'000;
    /// Returns further annotations of an alert, given its labels (with alertname) and its own annotations.
    /// They replace annotations of the same name. May be null. Called for each alert at each evaluation, by
    /// several threads.
    std::function<Labels(const Labels& labels, const Labels& annotations)> annotate;
};

/// Reads Prometheus rule files and evaluates them.
///
/// A group is evaluated at slot + hash(file, group) mod interval. Its rules run in order, and each sees the
/// results of the earlier ones. Groups are evaluated independently, several at once: a slow group delays
/// itself alone (GroupSchedule). Recording rules write their series, alerting rules `ALERTS` and
/// `ALERTS_FOR_STATE`; a series that an evaluation no longer yields ends with a staleness marker. The state
/// of every alert is in the store before the alert is sent, so a restart neither loses a `for` timer nor
/// sends a false "resolved".
///
/// Missing data is not recovery. A failed query leaves all states of its rule unchanged. An alert whose
/// element vanished is held (`unknown_since`, `held_until`) while source series are missing (they ended
/// without a staleness marker, or with one while the `up` of their job and instance is 0 or absent) and the
/// expression still yields it if the missing series are continued as they were.
///
/// Safe from any thread; it evaluates on threads of its own. Engine, store and notifier must outlive it.
class RuleManager {
  public:
    /// `notifier` may be null: alerts are then shown but not sent.
    RuleManager(const promql::Engine& engine, storage::Store& store, notify::Notifier* notifier,
                ManagerOptions options);
    ~RuleManager();
    RuleManager(const RuleManager&) = delete;
    RuleManager& operator=(const RuleManager&) = delete;

    /// Replaces all groups by those in the files that match the patterns (shell wildcards in any part of
    /// the path). Returns all problems; if there is any, the loaded groups stay. Rules that stay keep their
    /// alert states, also if they move to another group or file. A pattern without a match is not a problem.
    /// Interrupts evaluations that last longer than a second more.
    std::vector<config::Problem> loadFiles(const std::vector<std::string>& patterns);

    /// Starts the evaluation.
    void start();
    /// Interrupts the evaluation. Returns at once.
    void askToStop();
    /// Interrupts and ends the evaluation. The states stay in the store.
    void stop();

    /// Evaluates every group once, at `now`, on the caller's thread. For tests and `notify test`.
    void evaluate(TimestampMs now);

    /// A copy of the data that /api/v1/rules and /api/v1/alerts show.
    std::vector<GroupStatus> groups() const;
    /// The evaluations of each group, and the rules that fail (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

struct CheckResult {
    std::size_t files = 0;
    std::size_t groups = 0;
    std::size_t rules = 0;
    std::vector<config::Problem> problems;
    /// No errors, but probably mistakes: rules of one file that write the same series, and labels of alerts
    /// that contain a value.
    std::vector<config::Problem> warnings;
    /// Of each alerting rule: its name, and the labels whose text holds no template.
    std::vector<Labels> alerts;
    CheckResult();
    ~CheckResult();
    CheckResult(CheckResult&&) noexcept;
    CheckResult& operator=(CheckResult&&) noexcept;
};

/// Reads rule files as loadFiles() does and reports every problem; needs neither data nor network. Here, a
/// pattern without wildcards that matches no file is a problem.
CheckResult checkFiles(const std::vector<std::string>& patterns);

}  // namespace lapwing::rules
