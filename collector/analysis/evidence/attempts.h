#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/analysis/evidence/reader.h"
#include "common/enum_names.h"

namespace lapwing::analysis::evidence {

/// What became of an attempt to connect.
enum class ConnectResult {
    open,
    refused,      ///< a reset
    silent,       ///< no answer
    rejected,     ///< ICMP says that the connection is prohibited
    unreachable,  ///< ICMP, or no route
    not_tried,
    unknown,  ///< a word of a newer agent
};

/// As the agents' label `result` names them.
inline constexpr std::array kConnectResultNames{
    EnumName<ConnectResult>{ConnectResult::open, "open"},
    EnumName<ConnectResult>{ConnectResult::refused, "refused"},
    EnumName<ConnectResult>{ConnectResult::silent, "silent"},
    EnumName<ConnectResult>{ConnectResult::rejected, "rejected"},
    EnumName<ConnectResult>{ConnectResult::unreachable, "unreachable"},
    EnumName<ConnectResult>{ConnectResult::not_tried, "not_tried"},
    EnumName<ConnectResult>{ConnectResult::unknown, "unknown"},
};

inline std::string connectResultName(ConnectResult result) {
    return nameOf(kConnectResultNames, result);
}
inline ConnectResult parseConnectResult(std::string_view name) {
    return valueOf(kConnectResultNames, name).value_or(ConnectResult::unknown);
}

/// What the listener said first.
enum class Greeting {
    none,
    accepted,             ///< MySQL would take a login
    host_not_allowed,     ///< MySQL's error 1130: no account for that host
    host_blocked,         ///< MySQL's error 1129
    error,                ///< another error of MySQL
    ssh,                  ///< an SSH server
    haproxy_stats,        ///< HAProxy's statistics, without a password
    haproxy_stats_admin,  ///< likewise, and the means to change the servers' state
    http_401,             ///< a web server that asks for a password
    http_other,           ///< another status of HTTP
    unknown,              ///< a word of a newer agent
};

/// As the agents' label `greeting` names them; other statuses of HTTP are "http_NNN".
inline constexpr std::array kGreetingNames{
    EnumName<Greeting>{Greeting::none, ""},
    EnumName<Greeting>{Greeting::accepted, "accepted"},
    EnumName<Greeting>{Greeting::host_not_allowed, "host_not_allowed"},
    EnumName<Greeting>{Greeting::host_blocked, "host_blocked"},
    EnumName<Greeting>{Greeting::error, "error"},
    EnumName<Greeting>{Greeting::ssh, "ssh"},
    EnumName<Greeting>{Greeting::haproxy_stats, "haproxy_stats"},
    EnumName<Greeting>{Greeting::haproxy_stats_admin, "haproxy_stats_admin"},
    EnumName<Greeting>{Greeting::http_401, "http_401"},
};

Greeting parseGreeting(std::string_view name);

/// One attempt by another host's agent to connect to this one.
struct Attempt {
    std::string from;  ///< host
    std::string address;
    int port = 0;
    std::string service;
    std::string source;
    bool second = false;  ///< from a second address, which nobody would have allow-listed
    ConnectResult result = ConnectResult::unknown;
    Greeting greeting = Greeting::none;
    std::string http_status;  ///< "401"; "" if the answer was not HTTP
    TimestampMs at = 0;
    bool control_ok = false;  ///< over the same family, the peer's control port answered the same agent
};

/// One attempt to reach a port of this host that no service uses.
struct Canary {
    std::string from;  ///< host
    std::string source;
    bool second = false;
    ConnectResult result = ConnectResult::unknown;
    TimestampMs at = 0;
    bool control_ok = false;
};

/// The attempts at each host, by the host that was tried.
struct Attempts {
    std::map<std::string, std::vector<Attempt>> attempts;
    std::map<std::string, std::vector<Canary>> canaries;
    std::map<std::string, std::set<int>> control_ports;
};

/// The last attempts of each agent. Failures: reader.failure().
Attempts readAttempts(Reader& reader);

}  // namespace lapwing::analysis::evidence
