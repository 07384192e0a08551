#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/storage/store.h"
#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

/// One address of a host, as its agent reports it.
struct HostAddress {
    reach::Address address;
    std::string interface;
};

struct Listener {
    std::string protocol;
    reach::Family family = reach::Family::ipv4;
    std::string address;
    int port = 0;
    std::string process;

    bool isWildcard() const { return address == "0.0.0.0" || address == "::"; }
    /// "mysql", "ssh", "nginx", ..., by the process where it is known, else by the port; else "tcp/8000".
    std::string service() const;
};

/// One attempt by another host's agent to connect to this one.
struct Attempt {
    std::string from;  ///< host
    std::string address;
    int port = 0;
    std::string service;
    std::string source;
    bool second = false;  ///< from a second address, which nobody would have allow-listed
    std::string result;
    std::string greeting;  ///< MySQL's: "accepted", "host_not_allowed", or ""
    TimestampMs at = 0;
    bool control_ok = false;
};

struct Canary {
    std::string from;
    std::string source;
    bool second = false;
    std::string result;
    TimestampMs at = 0;
    bool control_ok = false;
};

/// What a reboot would leave of a host's packet filter, as its agent tells it; all empty if it does not.
struct BootRules {
    std::string digest;   ///< of the ruleset that a rehearsal listed; "" if that is not known
    std::string sources;  ///< what loads it: "nftables.service /etc/nftables.conf"; "" for nothing
    std::string unknown;  ///< why it is not known
    std::vector<std::string> faults;  ///< why something that is enabled would load nothing
    std::vector<std::string> makers;  ///< enabled units that make rules by themselves: "ufw.service"
};

/// What is known of one host.
struct Host {
    std::string name;
    bool agent_present = false;  ///< its agent reported within the lookback
    bool agent_known = false;    ///< it did so at some time within the last hour
    std::vector<HostAddress> addresses;
    std::vector<Listener> listeners;
    bool listeners_known = false;

    std::optional<bool> firewall_up;  ///< of the firewall probe
    std::string firewall_failure;     ///< the reason while it is down
    std::optional<bool> ssh_takes_passwords;
    std::string digest;                    ///< of the ruleset; "" if unknown
    std::map<reach::Family, bool> denies;  ///< default deny, where it could be told
    std::vector<std::string> unknowns;     ///< constructs that could not be evaluated
    std::map<std::pair<reach::Family, int>, std::string> stranger_verdicts;  ///< TCP port -> must_reach, ...
    BootRules boot;

    std::vector<Attempt> attempts;  ///< by others, at this host
    std::vector<Canary> canaries;   ///< by others, at this host
    std::set<int> control_ports;    ///< of this host, as others use them

    bool hasFamily(reach::Family family) const;
    /// It has an address of this family that is routed on the Internet.
    bool isPublic(reach::Family family) const;
};

struct Server {
    std::string proxy;
    std::string server;
    std::string state;    ///< "UP", "DOWN", ...; "" if unknown
    std::string address;  ///< "10.77.0.11:80", or ""
};

struct LoadBalancer {
    std::string instance;
    std::set<std::string> seen_by;  ///< agents
    std::vector<Server> servers;
};

struct SeenReplica {
    std::string replica;
    std::string primary_address;  ///< what it replicates from
};

/// The present state of the site as the samples tell it.
struct Network {
    TimestampMs now = 0;
    std::map<std::string, Host> hosts;
    std::map<std::string, LoadBalancer> balancers;
    std::vector<SeenReplica> replicas;
    std::set<std::string> databases;  ///< hosts with a database that a probe observes

    /// The host that holds the address, or null.
    const Host* holder(const reach::Address& address) const;
};

/// Reads the newest sample of each series that is no older than `lookback_ms`. Errors: the store's.
Expected<Network> readNetwork(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms);

}  // namespace lapwing::analysis::evidence
