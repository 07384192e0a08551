#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Where samples go to be delivered. Safe from any thread; never blocks on the network.
using Sink = std::function<void(std::vector<TimeSeries>)>;

/// Where documents go to be delivered, each once by its digest: kind ("ruleset"), body. Safe from any thread.
using DocumentSink = std::function<void(std::string kind, std::string body)>;

}  // namespace lapwing::agent
