#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Takes samples for delivery. Safe from any thread; never blocks on the network.
using Sink = std::function<void(std::vector<TimeSeries>)>;

/// Takes documents for delivery, each once by its digest: kind ("ruleset"), body. Safe from any thread.
using DocumentSink = std::function<void(std::string kind, std::string body)>;

/// Takes the types and helps of a run's metrics. Safe from any thread, and quick.
using DescriptionSink = std::function<void(const std::vector<prometheus::MetricFamily>&)>;

}  // namespace lapwing::agent
