#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "collector/api/exchange.h"
#include "collector/api/query_gate.h"

namespace lapwing::promql {
class Engine;
struct Result;
}  // namespace lapwing::promql
namespace lapwing::rules {
class RuleManager;
}
namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/): query, query_range,
/// query_exemplars, format_query, series, labels, label values, rules, alerts, targets, metadata,
/// status/buildinfo. Queries are evaluated a few at a time, so that what they hold together has a bound; the
/// others wait their turn. Safe from any thread. All references must outlive it.
class PrometheusApi {
  public:
    PrometheusApi(const promql::Engine& engine, const storage::Queryable& data,
                  const rules::RuleManager& rules)
        : engine_(engine), data_(data), rules_(rules) {}

    /// Answers what lies under /api/v1/. False if the path is none of its own: then nothing was answered.
    bool handle(Request& request, Responder& responder) const;

    /// Ends the queries that are being evaluated or wait; there will be no others.
    void interrupt() {
        interrupted_ = true;
        gate_.close();
    }

  private:
    static constexpr unsigned kQueriesAtOnce = 4;

    struct Call;
    using Evaluation = std::function<Expected<promql::Result>(const promql::Engine&)>;
    /// Evaluates and answers when its turn comes; the request's timeout counts from now.
    void run(const Call& call, const Evaluation& evaluation) const;
    void query(const Call& call) const;
    void queryRange(const Call& call) const;
    void series(const Call& call) const;
    void labelNames(const Call& call) const;
    void labelValues(const Call& call, const std::string& encoded_name) const;

    const promql::Engine& engine_;
    const storage::Queryable& data_;
    const rules::RuleManager& rules_;
    mutable QueryGate gate_{kQueriesAtOnce};
    std::atomic<bool> interrupted_{false};
};

}  // namespace lapwing::api
