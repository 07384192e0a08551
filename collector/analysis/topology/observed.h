#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "collector/analysis/redundancy/structure.h"
#include "collector/storage/store.h"

namespace lapwing::analysis::topology {

using redundancy::Truth;

/// What HAProxy says of one server, besides its state.
struct ServerDetail {
    std::string role;   ///< "active", "backup"; "" if unknown
    std::string check;  ///< "none", "L4", "L6", "L7", "external", "tracked"; "" if unknown
    std::optional<double> weight;
    /// Requests or connections that it was given within the window of counting, restarts of HAProxy left out;
    /// nothing where it was not observed for the whole window.
    std::optional<double> given;
    bool steady = true;  ///< its state and its weight have not changed within that window
};

/// What the topology is made from, besides Facts: the newest samples, by instance or host.
struct Observed {
    std::map<std::string, std::string> machine_ids;
    std::map<std::string, double> boot_times;  ///< seconds since 1970
    std::map<std::string, Truth> balancers;
    std::map<std::string, Truth> webs;
    std::map<std::string, Truth> apps;
    std::map<std::string, Truth> databases;
    using ServerKey = std::tuple<std::string, std::string, std::string>;  ///< instance, proxy, server
    std::map<ServerKey, ServerDetail> servers;
    std::map<std::pair<std::string, std::string>, std::string> algorithms;  ///< by instance and proxy
    std::map<std::string, std::set<std::string>> socket_hosts;  ///< agents that read a HAProxy's socket
    std::map<std::string, double> web_requests;                 ///< that each Nginx counted within the window
};

/// Over how long requests are counted (R13).
inline constexpr std::int64_t kCountingMs = 600'000;

/// Reads the newest sample of each series that is no older than `lookback_ms`. Errors: the store's.
Expected<Observed> observe(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms);

}  // namespace lapwing::analysis::topology
