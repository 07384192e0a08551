#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/analysis/evidence/address_index.h"
#include "collector/analysis/evidence/attempts.h"
#include "collector/analysis/evidence/contradictions.h"
#include "collector/analysis/evidence/load_balancers.h"
#include "collector/analysis/evidence/reader.h"
#include "common/enum_names.h"
#include "common/error.h"
#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

/// One address of a host, as its agent reports it.
struct HostAddress {
    reach::Address address;
    std::string interface;
};

enum class Transport { tcp, udp, unknown };

/// As the agents' label `protocol` names them.
inline constexpr std::array kTransportNames{
    EnumName<Transport>{Transport::tcp, "tcp"},
    EnumName<Transport>{Transport::udp, "udp"},
    EnumName<Transport>{Transport::unknown, "unknown"},
};

inline const char* transportName(Transport transport) {
    return nameOf(kTransportNames, transport);
}

/// Programs that the analysis tells apart.
enum class Program { mysql, ssh, nginx, haproxy, app, apache, redis, other };

/// The service's name in findings and in `site.allow`.
inline constexpr std::array kProgramNames{
    EnumName<Program>{Program::mysql, "mysql"}, EnumName<Program>{Program::ssh, "ssh"},
    EnumName<Program>{Program::nginx, "nginx"}, EnumName<Program>{Program::haproxy, "haproxy"},
    EnumName<Program>{Program::app, "app"},     EnumName<Program>{Program::apache, "apache"},
    EnumName<Program>{Program::redis, "redis"},
};

/// An application server, or a load balancer, by the name of its process.
bool isApplication(const std::string& process);
bool isLoadBalancer(const std::string& process);

/// A socket on which a process of the host listens.
struct Listener {
    Transport protocol = Transport::unknown;
    reach::Family family = reach::Family::ipv4;
    std::string address;
    int port = 0;
    std::string process;    ///< "" if unknown
    std::string unit = {};  ///< the systemd service: "mariadb.service"; "" if unknown or none

    bool isWildcard() const { return address == "0.0.0.0" || address == "::"; }
    bool isTcp() const { return protocol == Transport::tcp; }
    /// By the process, else by the service. By the port if neither is known: a socket that systemd holds for
    /// an unknown service is such.
    Program program() const;
    /// The program's name ("mysql"); of another program its systemd service ("shop"), else the process, and
    /// without both "tcp/8000".
    std::string service() const;
};

/// The packet filter that a host would have after a reboot; all empty if its agent does not report it.
struct BootRules {
    std::string digest;   ///< of the ruleset that a rehearsal listed; "" if unknown
    std::string sources;  ///< units and files that load it: "nftables.service /etc/nftables.conf"; or ""
    std::string unknown;  ///< why it is unknown
    std::vector<std::string> faults;  ///< why an enabled unit would load nothing
    std::vector<std::string> makers;  ///< enabled units that make rules by themselves: "ufw.service"
};

/// One host, as its own agent and the others' attempts show it.
struct Host {
    std::string name;
    bool agent_present = false;  ///< its agent reported within the lookback
    bool agent_known = false;    ///< its agent reported within the last hour
    std::vector<HostAddress> addresses;
    /// The addresses that its agent last reported, within the last hour: a silent host keeps its addresses.
    std::vector<HostAddress> last_addresses;
    std::vector<Listener> listeners;
    bool listeners_known = false;

    std::optional<bool> firewall_up;  ///< whether the firewall probe succeeded
    std::string firewall_failure;     ///< the reason while it is down
    std::optional<bool> ssh_takes_passwords;
    std::string digest;                    ///< of the ruleset; "" if unknown
    std::map<reach::Family, bool> denies;  ///< default deny; families without a verdict are absent
    std::vector<std::string> unknowns;     ///< constructs that could not be evaluated
    std::string ruleset_fault;             ///< Rulesets::faultOf()
    BootRules boot;

    std::vector<Attempt> attempts;  ///< by other hosts, at this host
    std::vector<Canary> canaries;   ///< by other hosts, at this host
    std::set<int> control_ports;    ///< of this host, that other hosts use as controls

    bool hasFamily(reach::Family family) const;
    /// It has an address of this family that is routed on the Internet.
    bool isPublic(reach::Family family) const;
};

/// A replica, and the primary that its own status names.
struct SeenReplica {
    std::string replica;
    std::string primary_address;  ///< address or name
};

/// The hosts of the site, and what they show of the network between them. Times are the collector's.
struct Network {
    TimestampMs now = 0;
    std::map<std::string, Host> hosts;
    std::map<std::string, LoadBalancer> balancers;
    std::vector<SeenReplica> replicas;
    std::set<std::string> databases;  ///< hosts with a database that a probe observes
    Comparison comparison;            ///< of agents that observe one server

    AddressIndex index;  ///< of the other members, by indexAddresses()

    /// Call it after every change of addresses, load balancers or attempts.
    void indexAddresses();

    /// The host that holds the address, or null.
    const Host* holder(const reach::Address& address) const;
};

/// Reads the network as it is at reader.now(). Errors: the store's.
Expected<Network> readNetwork(Reader& reader);

}  // namespace lapwing::analysis::evidence
