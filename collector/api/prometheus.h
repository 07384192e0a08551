#pragma once

#include <string>

#include "collector/api/exchange.h"

namespace lapwing::promql {
class Engine;
}
namespace lapwing::rules {
class RuleManager;
}
namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/): query, query_range,
/// query_exemplars, format_query, series, labels, label values, rules, alerts, targets, metadata,
/// status/buildinfo. Safe from any thread. All references must outlive it.
class PrometheusApi {
  public:
    PrometheusApi(const promql::Engine& engine, const storage::Queryable& data,
                  const rules::RuleManager& rules)
        : engine_(engine), data_(data), rules_(rules) {}

    /// Answers what lies under /api/v1/. False if the path is none of its own: then nothing was answered.
    bool handle(Request& request, Responder& responder) const;

  private:
    struct Call;
    void query(const Call& call) const;
    void queryRange(const Call& call) const;
    void series(const Call& call) const;
    void labelNames(const Call& call) const;
    void labelValues(const Call& call, const std::string& encoded_name) const;

    const promql::Engine& engine_;
    const storage::Queryable& data_;
    const rules::RuleManager& rules_;
};

}  // namespace lapwing::api
