#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/analysis/evidence/reader.h"
#include "common/enum_names.h"
#include "common/truth.h"

namespace lapwing::analysis::evidence {

/// HAProxy's state of a server.
enum class ServerState {
    unknown,  ///< not reported
    up,
    down,
    maint,
    drain,
    nolb,   ///< its health check answers 404: no new sessions
    other,  ///< a word of a newer HAProxy
};

inline constexpr std::array kServerStateNames{
    EnumName<ServerState>{ServerState::unknown, ""},    EnumName<ServerState>{ServerState::up, "UP"},
    EnumName<ServerState>{ServerState::down, "DOWN"},   EnumName<ServerState>{ServerState::maint, "MAINT"},
    EnumName<ServerState>{ServerState::drain, "DRAIN"}, EnumName<ServerState>{ServerState::nolb, "NOLB"},
};

inline ServerState parseServerState(std::string_view name) {
    return valueOf(kServerStateNames, name).value_or(ServerState::other);
}

/// The role of a server in a backend of HAProxy or an upstream of Nginx.
enum class ServerRole { unknown, active, backup, down };

/// As the agents' label `role` names them.
inline constexpr std::array kServerRoleNames{
    EnumName<ServerRole>{ServerRole::unknown, ""},
    EnumName<ServerRole>{ServerRole::active, "active"},
    EnumName<ServerRole>{ServerRole::backup, "backup"},
    EnumName<ServerRole>{ServerRole::down, "down"},
};

inline const char* serverRoleName(ServerRole role) {
    return nameOf(kServerRoleNames, role);
}
inline ServerRole parseServerRole(std::string_view name) {
    return valueOf(kServerRoleNames, name).value_or(ServerRole::unknown);
}

/// How HAProxy checks a server's health.
enum class HealthCheck {
    unknown,
    none,
    l4,        ///< a connection
    l6,        ///< a TLS handshake
    l7,        ///< an answer of the application's protocol
    external,  ///< a program
    tracked,   ///< the state of another server
};

/// As the agents' label `check` names them.
inline constexpr std::array kHealthCheckNames{
    EnumName<HealthCheck>{HealthCheck::unknown, ""},
    EnumName<HealthCheck>{HealthCheck::none, "none"},
    EnumName<HealthCheck>{HealthCheck::l4, "L4"},
    EnumName<HealthCheck>{HealthCheck::l6, "L6"},
    EnumName<HealthCheck>{HealthCheck::l7, "L7"},
    EnumName<HealthCheck>{HealthCheck::external, "external"},
    EnumName<HealthCheck>{HealthCheck::tracked, "tracked"},
};

inline const char* healthCheckName(HealthCheck check) {
    return nameOf(kHealthCheckNames, check);
}
inline HealthCheck parseHealthCheck(std::string_view name) {
    return valueOf(kHealthCheckNames, name).value_or(HealthCheck::unknown);
}

/// What HAProxy says of one server of a backend.
struct Server {
    std::string proxy;
    std::string server;  ///< as HAProxy names it
    ServerState state = ServerState::unknown;
    std::string state_text;  ///< HAProxy's own word; "" if unknown
    std::string address;     ///< "10.77.0.11:80", or ""
    ServerRole role = ServerRole::unknown;
    HealthCheck check = HealthCheck::unknown;
    std::optional<double> weight;
    /// Requests or connections that it was given within kCountingMs, restarts of HAProxy left out; nothing if
    /// it was not observed for all of that time.
    std::optional<double> given;
    bool steady = true;  ///< its state and its weight have not changed within kCountingMs

    /// A Unix socket on the load balancer's own host.
    bool isAtSocket() const;
};

struct LoadBalancer {
    std::string instance;
    Truth works = Truth::unknown;
    std::set<std::string> seen_by;                  ///< agents
    std::set<std::string> socket_hosts;             ///< agents that read its socket: it runs on their host
    std::vector<Server> servers;                    ///< by proxy and name
    std::map<std::string, std::string> algorithms;  ///< by proxy
    std::map<std::string, std::string> modes;       ///< by proxy: "http", "tcp"; absent if unknown
};

/// Every load balancer that was known within the last hour, by instance. Failures: reader.failure().
std::map<std::string, LoadBalancer> readLoadBalancers(Reader& reader);

}  // namespace lapwing::analysis::evidence
