#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/analysis/evidence/entry_names.h"
#include "collector/analysis/finding.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/model.h"
#include "collector/storage/store.h"

namespace lapwing::analysis {

namespace replication {
class Watch;
}
class Acceptances;

struct AnalystOptions {
    /// Labels of every sample of `lapwing_finding`, besides its own: job, instance.
    Labels sample_labels{{"job", "collector"}};
    /// How old the newest sample of a series may be and still describe the present.
    std::int64_t lookback_ms = 120'000;
    std::int64_t canary_interval_ms = 600'000;
    /// From the offer of a canary until its port opens: the agents' long polls must have answered by then.
    std::int64_t canary_lead_ms = 5'000;
    /// The verdicts on replicas; null if replication is not watched. Must outlive the Analyst.
    const replication::Watch* replication = nullptr;
    topology::Setup setup;
    /// Compared with the findings of each round; null if none are kept. Must outlive the Analyst.
    Acceptances* acceptances = nullptr;
    /// The processor time of a round; a longer one ends without a result.
    std::chrono::milliseconds budget{5'000};
    /// The addresses of the entries' names; null if names are not resolved. Must return at once.
    std::function<evidence::Resolved()> names = nullptr;
};

/// The attempts and canaries of one agent; docs/architecture.md describes `json`. Equal versions mean equal
/// content.
struct Assignment {
    std::string version;
    std::string json;
};

/// Diagnoses the site from the samples of the store. Keeps the book of findings (with the time of each one's
/// first appearance, across restarts) and assigns attempts and canaries to the agents. Thread-safe:
/// findings() and assignments are snapshots of the last run().
class Analyst {
  public:
    /// `store` must outlive the Analyst.
    Analyst(storage::Store& store, Site site, AnalystOptions options = {});
    ~Analyst();
    Analyst(const Analyst&) = delete;
    Analyst& operator=(const Analyst&) = delete;

    /// One round: reads the evidence, judges, and stores `lapwing_finding` and `lapwing_topology_*` (with a
    /// staleness marker for each series that ended). Call it every 10 s from one thread; a round of 200 hosts
    /// takes a tenth of a second. Errors: the store's, `timeout` beyond the budget, `unavailable` after
    /// interrupt(); the findings then stay as they were.
    Expected<void> run(TimestampMs now);

    /// Critical first.
    std::vector<Finding> findings() const;

    /// The evidence and the model of the last run; null before the first run.
    std::shared_ptr<const topology::Moment> moment() const;

    /// For any enrolled agent. Its lists are empty if the agent has nothing to try.
    Assignment assignment(const std::string& agent) const;
    /// The long poll: waits until the agent's assignment has another version than `known`, at most `longest`,
    /// and returns the current assignment. interrupt() ends every wait at once.
    Assignment awaitAssignment(const std::string& agent, const std::string& known,
                               std::chrono::milliseconds longest) const;
    /// Ends waits, and a round under way.
    void interrupt();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace lapwing::analysis
