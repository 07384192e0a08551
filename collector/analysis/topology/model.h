#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/network.h"
#include "collector/analysis/evidence/services.h"
#include "collector/analysis/finding.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/crossings.h"
#include "collector/analysis/topology/cut_sets.h"
#include "common/enum_names.h"

namespace lapwing::analysis::topology {

enum class ComponentKind {
    name,
    address,
    haproxy,
    nginx,     ///< an Nginx that spreads the site's requests over several hosts
    balancer,  ///< any other program, or a NAT rule, that does so
    web,
    app,
    mysql,
    service,  ///< a server of a backend in TCP mode that is no database and no web server
    host,
    group,
    collector,
    watchdog,
};

/// As the API, sample labels and ids of components name them.
inline constexpr std::array kComponentKindNames{
    EnumName<ComponentKind>{ComponentKind::name, "name"},
    EnumName<ComponentKind>{ComponentKind::address, "address"},
    EnumName<ComponentKind>{ComponentKind::haproxy, "haproxy"},
    EnumName<ComponentKind>{ComponentKind::nginx, "nginx"},
    EnumName<ComponentKind>{ComponentKind::balancer, "balancer"},
    EnumName<ComponentKind>{ComponentKind::web, "web"},
    EnumName<ComponentKind>{ComponentKind::app, "app"},
    EnumName<ComponentKind>{ComponentKind::mysql, "mysql"},
    EnumName<ComponentKind>{ComponentKind::service, "service"},
    EnumName<ComponentKind>{ComponentKind::host, "host"},
    EnumName<ComponentKind>{ComponentKind::group, "group"},
    EnumName<ComponentKind>{ComponentKind::collector, "collector"},
    EnumName<ComponentKind>{ComponentKind::watchdog, "watchdog"},
};

inline const char* componentKindName(ComponentKind kind) {
    return nameOf(kComponentKindNames, kind);
}

/// "haproxy@lb-01"; of a host its name alone.
std::string idOf(ComponentKind kind, const std::string& place);

/// A part of the site that can fail. `id` is "KIND@HOST", as in "haproxy@lb-01"; of a host its name alone, of
/// a shared fate "group@NAME", of an address "address@10.77.0.10".
struct Component {
    std::string id;
    ComponentKind kind = ComponentKind::host;
    std::string host;  ///< "" for names, addresses and groups
    Truth works = Truth::unknown;
    std::vector<Evidence> seen;
};

enum class EdgeKind {
    resolves,
    enters,
    stands_by,
    balances,
    proxies,
    queries,
    replicates,
    runs_on,
    shares,
    watches,
};

/// As the API and sample labels name them.
inline constexpr std::array kEdgeKindNames{
    EnumName<EdgeKind>{EdgeKind::resolves, "resolves"},
    EnumName<EdgeKind>{EdgeKind::enters, "enters"},
    EnumName<EdgeKind>{EdgeKind::stands_by, "stands_by"},
    EnumName<EdgeKind>{EdgeKind::balances, "balances"},
    EnumName<EdgeKind>{EdgeKind::proxies, "proxies"},
    EnumName<EdgeKind>{EdgeKind::queries, "queries"},
    EnumName<EdgeKind>{EdgeKind::replicates, "replicates"},
    EnumName<EdgeKind>{EdgeKind::runs_on, "runs_on"},
    EnumName<EdgeKind>{EdgeKind::shares, "shares"},
    EnumName<EdgeKind>{EdgeKind::watches, "watches"},
};

inline const char* edgeKindName(EdgeKind kind) {
    return nameOf(kEdgeKindNames, kind);
}

/// `from` depends on `to`.
struct Edge {
    std::string from;
    std::string to;
    EdgeKind kind = EdgeKind::runs_on;
    std::vector<Evidence> sources;
    /// Whether requests or data get from one to the other: "no" to a server that the load balancer does not
    /// use, and where replication is broken.
    Truth works = Truth::unknown;
};

/// A contradiction between two sources.
struct Conflict {
    std::string subject;
    std::string text;
    std::vector<Evidence> evidence;
};

enum class ObstacleKind {
    not_reported,  ///< evidence is missing
    not_known,     ///< the evidence does not tell
    keepalived,    ///< keepalived is not configured to move the address
    keepalived_stopped,
    deaf,              ///< the two do not accept each other's advertisements
    arithmetic,        ///< the address stays although the load balancer alone has stopped
    vrrp_blocked,      ///< a ruleset drops the advertisements
    visitors_blocked,  ///< a ruleset drops the visitors' connections
    not_listening,     ///< no listener for the address
    servers_away,      ///< it reaches no server of a backend that the active one reaches
};

/// Why a standby would not take over, or may not.
struct Obstacle {
    ObstacleKind kind = ObstacleKind::not_reported;
    std::string host;  ///< where it is
    Evidence evidence;
};

/// A load balancer that could take the entry's address over.
struct Standby {
    std::string host;
    Truth after_stop = Truth::unknown;  ///< the active load balancer stops, its host does not
    Truth after_loss = Truth::unknown;  ///< the host of the active one stops
    std::vector<Obstacle> obstacles;
    std::string mechanism;  ///< "keepalived, virtual_router_id 51"; or ""

    /// After either event.
    Truth takesOver() const { return conjunction(after_stop, after_loss); }
    std::vector<Evidence> obstacleEvidence() const;
};

/// An address or a name at which visitors request the site, with the hosts behind it.
struct Entry {
    std::string url;  ///< "" if the configuration declares no entry
    int port = 80;
    std::string name;                       ///< "" for an entry that is an address
    std::optional<reach::Address> address;  ///< nothing for a name that does not resolve
    bool one_of_several = false;            ///< the name has several addresses, each with an entry
    std::set<std::string> holders;          ///< hosts that have it on an interface
    std::string active;  ///< host of the load balancer that receives its requests now, or ""
    std::string direct;  ///< host of the web server that receives its requests without a load balancer, or ""
    std::vector<Standby> standbys;
    bool assumed = false;  ///< `active` is concluded, not seen

    std::string id() const;  ///< of its component; "" if it has neither a name nor an address
};

/// A server of a backend.
struct Member {
    evidence::Server server;
    std::string host;                         ///< that runs it
    std::string machine;                      ///< two hosts of one machine have one
    ComponentKind kind = ComponentKind::web;  ///< or app, mysql, service

    std::string id = {};  ///< of the component, where the kind does not tell

    std::string component() const { return id.empty() ? idOf(kind, host) : id; }
    bool isUp() const { return server.state == evidence::ServerState::up; }
    /// It takes requests, or would as a backup.
    bool isReady() const { return isUp() && server.weight != 0.0; }
    bool isBackup() const { return server.role == evidence::ServerRole::backup; }
    /// HAProxy sends requests to it; true if neither its state nor its weight is known.
    bool isUsed() const;
};

/// The program that spreads the requests which a host receives.
struct Balancer {
    std::string component;  ///< "haproxy@lb-01", "nginx@lb-01", "balancer@lb-01"
    std::string program;    ///< as people write it: "HAProxy", "Nginx", "Apache", "a NAT rule"; "" if unknown
    std::string source;     ///< of the evidence about its servers: "haproxy statistics of lb-01"

    /// "haproxy", "nginx", "apache2"; "" of a NAT rule or an unknown program.
    std::string process() const;
};

/// The servers of one backend of one load balancer, and which failures stop that backend.
struct Pool {
    std::string balancer;  ///< instance
    std::string host;      ///< of the load balancer
    Balancer by;
    std::string proxy;
    std::string algorithm;
    std::vector<Member> members;
    Gate by_design;
    Gate at_present;  ///< without servers that are switched off
    CutSets design;   ///< with everything healthy
    CutSets now;      ///< with the components that are down taken away

    /// HAProxy's pools have its own states; those of other balancers are concluded from the servers.
    bool isHaproxys() const { return by.program == "HAProxy"; }
    /// The number of servers that take requests, without those of one machine. HAProxy uses a backup only if
    /// no other server works, and then the first backup alone (unless its option allbackups is set).
    std::size_t serving(const std::string& without_machine = "") const;
    /// Every server is due a share of the requests by its weight.
    bool sharesByWeight() const;
    /// Whether the backend serves at present once the component has failed, by the states of the others.
    Truth servesWithout(const std::string& component, States states) const;
};

struct Replica {
    std::string host;
    std::string primary;
    Truth current = Truth::unknown;  ///< it holds the primary's data, but for a short delay
};

/// A component that a what-if question supposes: a load balancer, a web server, a database or a watchdog.
struct Addition {
    ComponentKind kind = ComponentKind::web;
    std::string host;
};

/// The collector's own place in the site.
struct Setup {
    std::string collector_host;  ///< "" leaves it out of the model
    bool watchdog = false;       ///< a service outside the site receives its heartbeat
    /// Of notifications, as configured; nothing: not known.
    std::optional<std::size_t> receivers = std::nullopt;
};

struct Inputs {
    const evidence::Network& network;
    const evidence::Services& services;
    const Crossings& crossings;
    const Site& site;
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;  ///< null: not watched
    const Setup& setup;
    std::vector<Addition> additions = {};
};

enum class ServiceKind { read, write, replication, monitoring };

/// As the API and sample labels name them.
inline constexpr std::array kServiceKindNames{
    EnumName<ServiceKind>{ServiceKind::read, "read"},
    EnumName<ServiceKind>{ServiceKind::write, "write"},
    EnumName<ServiceKind>{ServiceKind::replication, "replication"},
    EnumName<ServiceKind>{ServiceKind::monitoring, "monitoring"},
};

inline const char* serviceKindName(ServiceKind kind) {
    return nameOf(kServiceKindNames, kind);
}

/// A delivered service, and which failures stop it.
struct Service {
    ServiceKind kind = ServiceKind::read;
    std::string title;  ///< "reading over HTTP"
    Gate by_design;
    Gate at_present;  ///< without servers that are switched off, and with the present state of standbys
    CutSets design;   ///< with everything healthy
    CutSets now;      ///< with the components that are down taken away
    std::vector<std::string> not_assessed;
};

/// The whole site: its components, their dependencies, and the effect of one and of two failures.
struct Model {
    std::map<std::string, Component> components;
    std::vector<Edge> edges;
    std::vector<Conflict> conflicts;
    std::vector<Entry> entries;
    std::vector<Pool> pools;
    /// The applications, or the web servers behind it, that a web server needs: one component of each set.
    std::map<std::string, std::vector<std::set<std::string>>> apps_of_web;
    std::set<std::string> databases;  ///< hosts
    std::set<std::string> primaries;  ///< hosts that take writes
    std::vector<Replica> replicas;
    std::vector<Service> services;

    /// Null if the site does not deliver it.
    const Service* service(ServiceKind kind) const;
    /// The component of a host's machine. Two hosts of one machine share it.
    std::string machineOf(const std::string& host) const;
    States states() const;
    std::map<std::string, std::string> machines;  ///< host -> the component of its machine
    std::map<std::string, Balancer> balancers;    ///< by host: the program that receives its requests

    /// The component of a host's Nginx: "nginx@lb-01" of a load balancer, else "web@web-01".
    std::string nginxOn(const std::string& host) const;
};

/// cutSets() of parts that break. Names and addresses do not: one that is taken away stops the service, and
/// is in no set.
CutSets failuresOf(const Gate& gate, const States& states = {});

/// Builds the model. Pure.
Model build(const Inputs& inputs);

/// The site at one moment. Immutable.
struct Moment {
    evidence::Network network;
    evidence::Services services;
    Crossings crossings;
    Site site;
    Setup setup;
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;
    Model model;

    /// Builds the model from the other members.
    static std::shared_ptr<const Moment> of(
        evidence::Network network, evidence::Services services, Crossings crossings, Site site, Setup setup,
        std::shared_ptr<const std::vector<replication::Verdict>> replicas);
    /// The model with supposed components.
    Model suppose(std::vector<Addition> additions) const;
};

}  // namespace lapwing::analysis::topology
