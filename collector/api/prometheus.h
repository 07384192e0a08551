#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/api/query_gate.h"
#include "collector/api/status.h"

namespace lapwing::ingest {
class MetadataBook;
}
namespace lapwing::notify {
class Silences;
}
namespace lapwing::promql {
class Engine;
struct Result;
}  // namespace lapwing::promql
namespace lapwing::rules {
class RuleManager;
}
namespace lapwing::storage {
class Queryable;
struct StoreStats;
}  // namespace lapwing::storage

namespace lapwing::api {

/// Everything must outlive the API.
struct PrometheusParts {
    const promql::Engine& engine;
    const storage::Queryable& data;
    const rules::RuleManager& rules;
    const ingest::MetadataBook& metadata;
    const notify::Silences& silences;
    std::function<storage::StoreStats()> stats;
};

/// Prometheus' HTTP API as docs/api.md lists it, /federate, and of Lapwing's own what reads the store:
/// /api/lapwing/v1/timeline. A few queries are evaluated at a time,
/// each within the memory of one query (QueryLimits), and the others wait for their turn. A query ends early
/// when its client has hung up. Safe from any thread.
class PrometheusApi {
  public:
    PrometheusApi(const PrometheusParts& parts, ServerFacts facts, unsigned queries_at_once)
        : parts_(parts), facts_(std::move(facts)), gate_(queries_at_once) {}

    /// False, without an answer, if the path does not belong to this API.
    bool handle(Request& request, Responder& responder) const;

    /// Ends the waiting for turns and refuses further queries. Queries under evaluation end when their
    /// server does.
    void interrupt() { gate_.close(); }

    /// Records that the rule files were reloaded, with or without success.
    void reloaded(bool success) {
        reload_ok_ = success;
        if (success) {
            reloaded_ = nowMs();
        }
    }

    /// How queries ended, and how many run and wait now (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    struct Call;
    struct Route;
    enum class Outcome { success, error, timeout, cancelled };
    using Evaluation = std::function<Expected<promql::Result>(const promql::Engine&)>;

    static const std::array<Route, 24> kRoutes;

    void answer(const Route& route, Request& request, Responder& responder) const;
    /// `body`: of a POST.
    void answerWithinLimits(const Route& route, Request& request, const std::optional<std::string>& body,
                            Responder& responder) const;
    /// Evaluates and answers when its turn comes; the request's timeout counts from now.
    void run(const Call& call, std::size_t limit, const Evaluation& evaluation) const;
    void count(Outcome outcome) const { ++outcomes_[static_cast<std::size_t>(outcome)]; }

    void query(const Call& call) const;
    void queryRange(const Call& call) const;
    void queryExemplars(const Call& call) const;
    void formatQuery(const Call& call) const;
    void parseQuery(const Call& call) const;
    void series(const Call& call) const;
    void labelNames(const Call& call) const;
    void labelValues(const Call& call) const;
    void targets(const Call& call) const;
    void targetMetadata(const Call& call) const;
    void scrapePools(const Call& call) const;
    void metadata(const Call& call) const;
    void rules(const Call& call) const;
    void alerts(const Call& call) const;
    void alertmanagers(const Call& call) const;
    void config(const Call& call) const;
    void flags(const Call& call) const;
    void runtimeInfo(const Call& call) const;
    void buildInfo(const Call& call) const;
    void tsdb(const Call& call) const;
    void walReplay(const Call& call) const;
    void notifications(const Call& call) const;
    void federate(const Call& call) const;
    void timeline(const Call& call) const;

    const PrometheusParts parts_;
    const ServerFacts facts_;
    std::atomic<TimestampMs> reloaded_{facts_.started};
    std::atomic<bool> reload_ok_{true};
    mutable QueryGate gate_;
    mutable std::array<std::atomic<std::uint64_t>, 4> outcomes_{};
};

}  // namespace lapwing::api
