#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Where samples go to be delivered. Safe from any thread; never blocks on the network.
using Sink = std::function<void(std::vector<TimeSeries>)>;

/// Where documents go to be delivered, each once by its digest: kind ("ruleset"), body. Safe from any thread.
using DocumentSink = std::function<void(std::string kind, std::string body)>;

/// Learns what a run's metrics say of themselves: type and help. Safe from any thread, and quick.
using DescriptionSink = std::function<void(const std::vector<prometheus::MetricFamily>&)>;

}  // namespace lapwing::agent
