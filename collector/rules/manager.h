#pragma once

#include <cstdint>
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
    Labels labels;       ///< with alertname; the labels of the rule are among them
    Labels annotations;  ///< expanded
    AlertState state = AlertState::pending;
    TimestampMs active_at = 0;
    double value = 0;  ///< of the last evaluation that had one
    std::optional<TimestampMs> keep_firing_since;
    /// Since when the data that the alert was made from are missing: it is neither confirmed nor resolved.
    std::optional<TimestampMs> unknown_since;
    notify::Suppression suppression;  ///< why it is told to nobody, if so
};

enum class RuleType { alerting, recording };

struct RuleStatus {
    RuleType type = RuleType::recording;
    std::string name;              ///< the alert's name, or the recorded metric
    std::string query;             ///< in canonical form
    std::int64_t duration_ms = 0;  ///< `for`
    std::int64_t keep_firing_for_ms = 0;
    Labels labels;                            ///< of the rule, templates as written
    Labels annotations;                       ///< templates as written
    std::vector<AlertStatus> alerts;          ///< sorted by labels
    AlertState state = AlertState::inactive;  ///< the most advanced of the alerts' states
    Health health = Health::unknown;
    std::string last_error;
    double evaluation_seconds = 0;
    TimestampMs last_evaluation = 0;  ///< 0: never yet
};

struct GroupStatus {
    std::string name;
    std::string file;
    std::int64_t interval_ms = 0;
    int limit = 0;         ///< 0: none
    bool builtin = false;  ///< of ManagerOptions::builtin_rules: nobody is shown it
    std::vector<RuleStatus> rules;
    double evaluation_seconds = 0;
    TimestampMs last_evaluation = 0;
};

struct ManagerOptions {
    std::int64_t interval_ms = 10'000;  ///< of groups that name none
    std::string external_url;           ///< `externalURL` of templates, the base of generatorURL
    Labels external_labels;
    /// A rule file that is evaluated beside those of loadFiles(), and not shown; its firing alerts are sent
    /// after each evaluation.
    std::string builtin_rules;
    std::int64_t resend_delay_ms = 60'000;         ///< between two sendings of an alert that goes on
    std::int64_t resolved_retention_ms = 900'000;  ///< how long a resolved alert is still sent
    /// How long an alert is held as unknown when its data are missing; then it is resolved.
    std::int64_t hold_missing_ms = 86'400'000;
};

/// Reads Prometheus rule files and evaluates them.
///
/// A group is evaluated at slot + hash(file, group) mod interval, its rules in their order, each seeing what
/// the ones before it wrote. Recording rules write their series, alerting rules `ALERTS` and
/// `ALERTS_FOR_STATE`; what an evaluation no longer yields ends with a staleness marker. The state of every
/// alert is in the store before it is sent, so a restart neither loses a `for` timer nor sends a false
/// "resolved".
///
/// Missing data is not recovery. A query that fails leaves all states of its rule as they were. An alert
/// whose element vanished is held (`unknown_since`) while the series that it came from are missing: they
/// ended in silence, or with a staleness marker while the `up` of their job and instance is 0 or gone.
///
/// Safe from any thread; the evaluation thread is the manager's own. Engine, store and notifier must outlive
/// it.
class RuleManager {
  public:
    /// `notifier` may be null: then alerts are only shown.
    RuleManager(const promql::Engine& engine, storage::Store& store, notify::Notifier* notifier,
                ManagerOptions options);
    ~RuleManager();
    RuleManager(const RuleManager&) = delete;
    RuleManager& operator=(const RuleManager&) = delete;

    /// Replaces all groups by those of the files that the patterns name (shell wildcards in any part of the
    /// path). Any problem, all of which are returned, leaves what was loaded before in place. Alert states
    /// are kept for rules that stay. A pattern without a match is not a problem.
    std::vector<config::Problem> loadFiles(const std::vector<std::string>& patterns);

    /// Starts the evaluation thread.
    void start();
    /// Ends it after the rule that is being evaluated. States stay in the store.
    void stop();

    /// Evaluates every group once, at `now`, on the caller's thread. For tests and `notify test`.
    void evaluate(TimestampMs now);

    /// What /api/v1/rules and /api/v1/alerts show: a copy.
    std::vector<GroupStatus> groups() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

struct CheckResult {
    std::size_t files = 0;
    std::size_t groups = 0;
    std::size_t rules = 0;
    std::vector<config::Problem> problems;
    /// Rules of one file with the same name and labels: no error, but they write the same series.
    std::vector<config::Problem> duplicates;
    CheckResult();
    ~CheckResult();
    CheckResult(CheckResult&&) noexcept;
    CheckResult& operator=(CheckResult&&) noexcept;
};

/// Reads rule files as loadFiles() does and reports every problem; needs neither data nor network. Pure but
/// for reading the files. A pattern without wildcards that names no file is a problem here.
CheckResult checkFiles(const std::vector<std::string>& patterns);

}  // namespace lapwing::rules
