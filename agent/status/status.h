#pragma once

#include <string>
#include <vector>

#include "agent/delivery/delivery.h"
#include "agent/runner/runner.h"
#include "common/error.h"

namespace lapwing::agent {

/// What `lapwing-agent status` shows.
struct AgentStatus {
    std::string version;
    std::string host;
    std::string config_file;
    std::string collector_url;
    int pid = 0;
    double running_seconds = 0;
    DeliveryState delivery;
    std::vector<ProbeState> probes;
};

/// One line of JSON. Probes that fail, a collector that does not take data and a spool that cannot be written
/// make it "degraded": true.
std::string statusJson(const AgentStatus& status);

/// For people: a table with one line a probe. `json` is what statusJson() wrote, `now_ms` the present time.
/// Error `protocol` if it is not.
struct StatusText {
    std::string text;
    bool degraded = false;
};
Expected<StatusText> statusText(const std::string& json, TimestampMs now_ms);

}  // namespace lapwing::agent
