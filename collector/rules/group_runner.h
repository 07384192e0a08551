#pragma once

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "collector/promql/engine.h"
#include "collector/rules/alert_tracker.h"
#include "collector/rules/missing_data.h"
#include "collector/rules/rule_file.h"
#include "collector/storage/store.h"

namespace lapwing::rules {

/// What the evaluation of a group works on. All must outlive it.
struct RunnerContext {
    const promql::Engine& engine;
    storage::Store& store;
    notify::Notifier* notifier;
    const ManagerOptions& options;
    const std::atomic<bool>& cancelled;
};

/// Evaluates one group's rules in their order. Not synchronised.
class GroupRunner {
  public:
    explicit GroupRunner(RuleGroup group);

    /// Continues what the same rules (name and labels) of an older version of this group had.
    void adopt(GroupRunner& older);
    /// Reads the alert states from the store, for rules that adopted none.
    void restore(storage::Store& store);
    /// Ends the series and the alerts of rules that nobody adopted.
    void retire(TimestampMs now, const RunnerContext& context);

    void evaluate(TimestampMs now, const RunnerContext& context);

    GroupStatus status() const;
    const RuleGroup& group() const { return group_; }

  private:
    struct RuleState {
        Rule rule;
        std::vector<Input> inputs;
        std::string state_name;  ///< under which the store keeps the alert states
        AlertTracker tracker;
        std::set<Labels> previous;  ///< series that the last evaluation wrote
        Health health = Health::unknown;
        std::string last_error;
        double seconds = 0;
        TimestampMs last_evaluation = 0;
        TimestampMs saved_at = 0;
        bool unsaved = false;
        bool adopted = false;
    };

    Expected<std::vector<TimeSeries>> record(const RuleState& state, promql::Vector elements,
                                             TimestampMs at) const;
    Expected<std::vector<TimeSeries>> alert(RuleState& state, const promql::Vector& elements, TimestampMs now,
                                            const RunnerContext& context);
    Expected<std::vector<TimeSeries>> run(RuleState& state, TimestampMs now, const RunnerContext& context);
    void save(RuleState& state, TimestampMs now, storage::Store& store) const;
    void send(RuleState& state, TimestampMs now, const RunnerContext& context) const;

    RuleGroup group_;
    std::vector<RuleState> rules_;
    double seconds_ = 0;
    TimestampMs last_evaluation_ = 0;
};

}  // namespace lapwing::rules
