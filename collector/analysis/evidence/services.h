#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "collector/storage/store.h"
#include "common/reach/address.h"
#include "common/truth.h"

namespace lapwing::analysis::evidence {

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

/// A VRRP instance of a host's keepalived.
struct VrrpInstance {
    std::string interface;
    std::string virtual_router_id;
    bool unicast = false;  ///< its advertisements go to the peers' addresses, not to the group
    std::string tracks;    ///< what, when it fails, moves the addresses; "" if nothing does
    std::set<reach::Address> addresses;
};

/// VRRP on a host, as its agent sees it.
struct Vrrp {
    bool runs = false;
    std::vector<VrrpInstance> instances;

    /// The instance that moves the address, or null.
    const VrrpInstance* moving(const reach::Address& address) const;
};

/// Where an Nginx passes the requests that come to one of its ports, by its configuration.
struct Route {
    int port = 0;
    std::vector<std::string> server_names;
    bool default_server = false;
    std::string
        upstream;  ///< a group's name, or what stands in place of one; "" where Nginx answers by itself
    std::string address;  ///< "127.0.0.1:8000", "unix:/run/app.sock"; "" where the configuration does not say
    std::string role;     ///< "active", "backup", "down"
};

/// A set of files, or the packages, of a host.
struct Inventory {
    std::string digest;            ///< of the document that lists them
    std::set<std::string> recent;  ///< what that was within the time of a deployment
    bool covered = false;          ///< it was observed during all of that time
};

/// What the topology is made from, besides Network: the newest samples, by instance or host.
struct Services {
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
    std::map<std::string, std::vector<reach::Address>> names;   ///< of the declared entries, resolved
    /// What each host connects to, and how many connections show.
    std::map<std::string, std::map<std::pair<reach::Address, int>, int>> outgoing;
    std::map<std::string, std::vector<Route>> routes;  ///< by host
    std::map<std::string, Vrrp> vrrp;                  ///< by host; nothing of a host whose agent cannot tell
    /// Since when a host holds an address without a break, as far back as kHoldingMs.
    std::map<std::pair<std::string, reach::Address>, TimestampMs> held_since;
    std::map<reach::Address, TimestampMs> last_held;                      ///< by anybody, within kHoldingMs
    std::map<std::string, std::map<std::string, Inventory>> inventories;  ///< by host and set

    /// Every address that some host's keepalived moves.
    std::set<reach::Address> moving() const;
    /// Hosts whose keepalived moves the address.
    std::set<std::string> moversOf(const reach::Address& address) const;
};

/// How far back the holders of an address are looked at (R8).
inline constexpr std::int64_t kHoldingMs = 300'000;
/// Over how long requests are counted (R13).
inline constexpr std::int64_t kCountingMs = 600'000;

/// Reads the newest sample of each series that is no older than `lookback_ms`; of inventories what they were
/// within `deployment_ms`. Errors: the store's.
Expected<Services> readServices(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms,
                                std::int64_t deployment_ms);

}  // namespace lapwing::analysis::evidence
