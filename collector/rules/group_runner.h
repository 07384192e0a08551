#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "collector/promql/engine.h"
#include "collector/rules/alert_tracker.h"
#include "collector/rules/missing_data.h"
#include "collector/rules/rule_file.h"
#include "collector/storage/store.h"

namespace lapwing::rules {

/// What evaluating a group needs. Everything must outlive the context.
struct RunnerContext {
    const promql::Engine& engine;
    storage::Store& store;
    notify::Notifier* notifier;
    const ManagerOptions& options;
    const std::atomic<bool>& cancelled;
};

/// The names of the rules' states in the store begin with this.
inline constexpr const char* kStatePrefix = "rules/";

/// Evaluates the rules of one group in order. Not synchronised.
class GroupRunner {
  public:
    explicit GroupRunner(RuleGroup group);

    /// Takes over the state of the same rules (by name and labels) from an older version of this group.
    void adopt(GroupRunner& older);
    /// Takes over the state of equal rules (by name, labels and expression) from another group, for rules
    /// that have moved.
    void adoptMoved(GroupRunner& other, storage::Store& store);
    /// Reads the alert states of rules without adopted state from the store. `others` are the saved states of
    /// no current rule, by name: a rule that has moved finds its state there, and takes it out.
    void restore(storage::Store& store, std::map<std::string, std::string>& others);
    /// The names of the rules' states in the store.
    std::vector<std::string> stateNames() const;
    /// Ends the series and the alerts of rules whose state was not adopted.
    void retire(TimestampMs now, const RunnerContext& context);

    /// The site's time jumped: moves the times of all alerts with it.
    void shiftTimes(std::int64_t jump_ms);

    /// False if it was cancelled. The remaining rules then keep their states.
    bool evaluate(TimestampMs now, const RunnerContext& context);

    GroupStatus status() const;
    const RuleGroup& group() const { return group_; }

    /// Counts evaluations that came too late to be made.
    void countMissed(std::uint64_t evaluations) { missed_ += evaluations; }

  private:
    /// Why an evaluation failed.
    struct Failure {
        std::string message;  ///< "" if it succeeded and its whole result was stored
        std::string kind;     ///< the same for repetitions that differ in times or series
    };
    struct RuleState {
        Rule rule;
        std::vector<Input> inputs;
        std::string state_name;  ///< the key of the alert states in the store
        std::string rule_name;   ///< its part that does not depend on the file and the group
        AlertTracker tracker;
        std::set<Labels> previous;  ///< series that the last evaluation wrote
        Health health = Health::unknown;
        std::string last_error;
        std::string logged;  ///< the failure that the log told last; "" after a success
        double seconds = 0;
        TimestampMs last_evaluation = 0;
        TimestampMs saved_at = 0;
        bool unsaved = false;
        bool adopted = false;
    };

    static void take(RuleState& from, RuleState& into);
    Expected<std::vector<TimeSeries>> record(const RuleState& state, promql::Vector elements,
                                             TimestampMs at) const;
    std::vector<TimeSeries> alert(RuleState& state, std::vector<AlertCandidate> candidates, TimestampMs now,
                                  const RunnerContext& context, std::chrono::steady_clock::time_point until);
    Expected<std::vector<AlertCandidate>> candidates(const RuleState& state, const promql::Vector& elements,
                                                     const RunnerContext& context, TimestampMs at) const;
    std::vector<Absence> explainAbsence(const RuleState& state, TimestampMs at, const RunnerContext& context,
                                        const std::vector<const TrackedAlert*>& vanished) const;
    Expected<std::vector<TimeSeries>> run(RuleState& state, TimestampMs now, const RunnerContext& context);
    void noteHealth(RuleState& state, const Failure& failure);
    void save(RuleState& state, TimestampMs now, storage::Store& store) const;
    void send(RuleState& state, TimestampMs now, const RunnerContext& context) const;

    RuleGroup group_;
    std::vector<RuleState> rules_;
    double seconds_ = 0;
    std::uint64_t evaluations_ = 0;
    std::uint64_t failures_ = 0;
    std::uint64_t missed_ = 0;
    TimestampMs last_evaluation_ = 0;
};

}  // namespace lapwing::rules
