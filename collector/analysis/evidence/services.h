#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/databases.h"
#include "collector/analysis/evidence/load_balancers.h"
#include "collector/analysis/evidence/reader.h"
#include "common/error.h"
#include "common/reach/address.h"
#include "common/truth.h"
#include "common/vrrp_check.h"

namespace lapwing::analysis::evidence {

using VrrpCheck = vrrp::Check;

/// A VRRP instance of a host's keepalived.
struct VrrpInstance {
    std::string name;
    std::string interface;
    std::string virtual_router_id;
    int priority = 0;
    std::vector<reach::Address> peers;     ///< unicast; empty: its advertisements go to the group
    std::optional<reach::Address> source;  ///< of its advertisements; nothing: the interface's address
    std::string version;                   ///< "2", "3"; "" if an older agent reports the instance
    std::string interval;                  ///< seconds between advertisements, as written
    std::string authentication;            ///< type and fingerprint; or ""
    bool nopreempt = false;
    std::string preempt_delay;  ///< seconds before it takes the address from a lower priority; or ""
    std::string group;          ///< of instances that move together; or ""
    std::vector<VrrpCheck> checks;
    std::string unread;                   ///< keywords whose effect is not modelled; or ""
    std::set<reach::Address> addresses;   ///< that move
    std::set<reach::Address> advertised;  ///< those that the advertisements name

    bool isUnicast() const { return !peers.empty(); }
};

/// VRRP on a host, as its agent sees it.
struct Vrrp {
    bool runs = false;
    std::vector<VrrpInstance> instances;
    std::vector<std::string> unread;  ///< parts of the configuration that the agent does not evaluate

    /// The instance that moves the address, or null.
    const VrrpInstance* moving(const reach::Address& address) const;
    /// The instances that move together with this one, itself included.
    std::vector<const VrrpInstance*> groupOf(const VrrpInstance& instance) const;
};

/// What makes a proxy pause a server for a while.
enum class Pauses {
    never,
    on_timeouts,  ///< also if it cannot connect
    on_answers,   ///< also if the server answers with an error
};

/// Where an Nginx passes the requests that come to one of its ports, by its configuration.
struct Route {
    int port = 0;
    std::vector<std::string> server_names;
    bool default_server = false;
    std::string upstream;  ///< a group's name or the address itself; "" if Nginx answers by itself
    std::string address;   ///< "127.0.0.1:8000", "unix:/run/app.sock"; "" if the configuration leaves it open
    ServerRole role = ServerRole::unknown;
    Pauses pauses = Pauses::on_answers;
};

/// A set of files, or the packages, of a host.
struct Inventory {
    std::string digest;            ///< of the document that lists them
    std::set<std::string> recent;  ///< digests within the time of a deployment
    bool covered = false;          ///< observed during all of that time
};

/// A database server's refusals and waits, as its agent sees them.
struct DatabaseLoad {
    std::string refusal;  ///< of the agent: "too_many_connections (error 1040)"; or ""
    std::string refusal_reason;
    std::optional<double> connections;
    std::optional<double> max_connections;
    std::vector<CommitWait> waits;
};

/// The hosts that are connected to a port.
struct Clients {
    std::map<reach::Address, int> named;  ///< connections of each, within the last hour
    int unnamed = 0;                      ///< connections of clients whose addresses are not reported, now
};

/// Programs, connections, virtual addresses and files of the site, by instance or host. Times are the
/// collector's.
struct Services {
    std::map<std::string, std::string> machine_ids;
    std::map<std::string, double> boot_times;  ///< seconds since 1970, by the host's own clock
    std::map<std::string, Truth> webs;
    std::map<std::string, Truth> apps;
    /// Since when every request to an application has failed, as far back as kFailingMs; absent if the last
    /// one did not.
    std::map<std::string, TimestampMs> apps_failing_since;
    std::map<std::string, Truth> databases;
    std::map<std::string, DatabaseLoad> database_loads;        ///< of servers that were heard of lately
    std::map<std::string, double> web_requests;                ///< that each Nginx counted within the window
    std::map<std::string, std::vector<reach::Address>> names;  ///< of the declared entries, resolved
    /// The number of open connections from each host, by destination.
    std::map<std::string, std::map<std::pair<reach::Address, int>, int>> outgoing;
    std::map<std::string, std::map<int, Clients>> incoming;  ///< by host and listening port
    std::map<std::string, std::vector<Route>> routes;        ///< by host
    std::map<std::string, Vrrp> vrrp;                        ///< by host; absent if the agent cannot tell
    /// Since when a host holds an address without a break, as far back as kHoldingMs.
    std::map<std::pair<std::string, reach::Address>, TimestampMs> held_since;
    std::map<reach::Address, TimestampMs> last_held;                      ///< by any host, within kHoldingMs
    std::map<std::string, std::map<std::string, Inventory>> inventories;  ///< by host and set

    /// Every address that some host's keepalived moves.
    std::set<reach::Address> moving() const;
    /// Hosts whose keepalived moves the address.
    std::set<std::string> moversOf(const reach::Address& address) const;
};

/// How far back the holders of an address are looked at (R8).
inline constexpr std::int64_t kHoldingMs = 300'000;

/// How far back the failures of applications are looked at (R5).
inline constexpr std::int64_t kFailingMs = 300'000;

/// Reads the services as they are at reader.now(); inventories as they were within `deployment_ms`. Errors:
/// the store's.
Expected<Services> readServices(Reader& reader, std::int64_t deployment_ms);

}  // namespace lapwing::analysis::evidence
