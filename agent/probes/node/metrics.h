#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/node/parse.h"
#include "common/model/families.h"

namespace lapwing::agent::node {

/// Adds samples to the families of `out` by name, for parts whose files stand by device and whose families
/// by name. Families of an earlier part are not looked at. Not synchronised.
class Metrics {
  public:
    using Labels = std::vector<prometheus::ClientMetric::Label>;

    explicit Metrics(Families& out) : out_(out), start_(out.size()), next_(start_) {}

    void gauge(std::string_view name, const char* help, double value, Labels labels = {}) {
        add(name, help, prometheus::MetricType::Gauge, value, std::move(labels));
    }
    void counter(std::string_view name, const char* help, double value, Labels labels = {}) {
        add(name, help, prometheus::MetricType::Counter, value, std::move(labels));
    }
    void untyped(std::string_view name, const char* help, double value, Labels labels = {}) {
        add(name, help, prometheus::MetricType::Untyped, value, std::move(labels));
    }
    /// A gauge of 1 whose labels tell. Labels without a value are left out, as Prometheus' data model has it.
    void info(std::string_view name, const char* help, Labels labels);

    void add(std::string_view name, const char* help, prometheus::MetricType type, double value,
             Labels labels);

  private:
    Families& out_;
    std::size_t start_;
    std::size_t next_;  ///< the place where the next name probably stands: devices have the same names
};

}  // namespace lapwing::agent::node
