#pragma once

#include <string>
#include <vector>

#include "agent/attempts/attempts.h"
#include "agent/delivery/delivery.h"
#include "agent/runner/runner.h"
#include "common/error.h"

namespace lapwing::agent {

/// The data of `lapwing-agent status`.
struct AgentStatus {
    std::string version;
    std::string host;
    std::string config_file;
    std::string collector_url;
    int pid = 0;
    double running_seconds = 0;
    DeliveryState delivery;
    std::vector<ProbeState> probes;
    std::vector<PeerState> peers;
};

/// One line of JSON. It says "degraded": true if a probe fails, the collector does not take data, the
/// spool cannot be written, or the host's clock disagrees with the collector's.
std::string statusJson(const AgentStatus& status);

/// The status for people: a table with one line a probe. `json` is the result of statusJson(), `now_ms` the
/// present time. Error `protocol` for any other text.
struct StatusText {
    std::string text;
    bool degraded = false;
};
Expected<StatusText> statusText(const std::string& json, TimestampMs now_ms);

}  // namespace lapwing::agent
