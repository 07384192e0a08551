#pragma once

#include <string>

#include "collector/analysis/topology/model.h"

namespace lapwing::analysis::topology {

/// The program that answers at a port of a host.
struct Served {
    std::string id;  ///< of its component: "web@web-01", "redis@web-01"
    ComponentKind kind = ComponentKind::web;
    std::string host;
    int port = 0;
};

/// The listener of the host at a TCP port, or null. One whose process is known comes first.
const evidence::Listener* listenerAt(const evidence::Network& network, const std::string& host, int port);

/// Tells the program by its listener; without one by the routes of the host's Nginx, then by the usual port
/// of a protocol, else it is `otherwise`.
Served servedAt(const evidence::Network& network, const evidence::Services& services, const std::string& host,
                int port, ComponentKind otherwise);

/// "postgresql", "redis", "smtp", ...: the protocol of a usual port that is neither HTTP's nor MySQL's; or
/// "".
std::string protocolAt(int port);

}  // namespace lapwing::analysis::topology
