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

struct AnalystOptions {
    /// Labels of every sample of `lapwing_finding`, besides its own: job, instance.
    Labels sample_labels{{"job", "collector"}};
    /// How old the newest sample of a series may be and still describe the present.
    std::int64_t lookback_ms = 120'000;
    std::int64_t canary_interval_ms = 600'000;
    /// From the moment at which a canary is offered until its port opens: agents must have heard of it by
    /// then.
    std::int64_t canary_lead_ms = 5'000;
    /// What findings about replicas rest on; null: none are made. Must outlive the Analyst.
    const replication::Watch* replication = nullptr;
    topology::Setup setup;
    /// What the names of the entries resolve to; null: they are not resolved. Must not wait.
    std::function<evidence::Resolved()> names = nullptr;
};

/// What one agent is asked to try: docs/architecture.md has the form of `json`. Equal versions, equal
/// content.
struct Assignment {
    std::string version;
    std::string json;
};

/// Reads the samples of the store and says what is wrong with the site and what could fail next; keeps the
/// book of findings (since when each stands, across restarts) and decides what the agents are asked to try.
/// Thread-safe: findings() and assignments are snapshots of the last run().
class Analyst {
  public:
    /// `store` must outlive the Analyst.
    Analyst(storage::Store& store, Site site, AnalystOptions options = {});
    ~Analyst();
    Analyst(const Analyst&) = delete;
    Analyst& operator=(const Analyst&) = delete;

    /// One round: gathers, judges, stores `lapwing_finding` and `lapwing_topology_*` (with a
    /// staleness marker for each that has gone).
    /// Call it every 10 s from one thread; a round takes milliseconds. Error: the store's; the findings stay
    /// as they were.
    Expected<void> run(TimestampMs now);

    /// Critical first.
    std::vector<Finding> findings() const;

    /// What there is and what hangs on what; null before the first run.
    std::shared_ptr<const topology::Moment> moment() const;

    /// For any enrolled agent; empty lists where there is nothing to try.
    Assignment assignment(const std::string& agent) const;
    /// The long poll: waits until the agent's assignment has another version than `known`, at most `longest`,
    /// and returns what is current then. interrupt() ends every wait at once.
    Assignment awaitAssignment(const std::string& agent, const std::string& known,
                               std::chrono::milliseconds longest) const;
    void interrupt();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace lapwing::analysis
