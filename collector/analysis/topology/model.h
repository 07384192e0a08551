#pragma once

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

namespace lapwing::analysis::topology {

/// Something that can fail. `id` is "KIND@HOST", as in "haproxy@lb-01"; of a host its name alone, of a shared
/// fate "group@NAME", of an address "address@10.77.0.10".
struct Component {
    std::string id;
    /// "name", "address", "haproxy", "web", "app", "mysql", "host", "group", "collector", "watchdog".
    std::string kind;
    std::string host;  ///< "" where it is on none
    Truth works = Truth::unknown;
    std::vector<Evidence> seen;
};

/// `from` hangs on `to`.
struct Edge {
    std::string from;
    std::string to;
    /// "resolves", "enters", "stands_by", "balances", "proxies", "queries", "replicates", "runs_on",
    /// "shares", "watches".
    std::string kind;
    std::vector<Evidence> sources;
    /// Whether anything gets from one to the other, where somebody tells: "no" to a server that the load
    /// balancer does not use, and where replication is broken.
    Truth works = Truth::unknown;
};

/// Where two sources do not agree.
struct Conflict {
    std::string subject;
    std::string text;
    std::vector<Evidence> evidence;
};

/// A load balancer that could take the entry's address over.
struct Standby {
    std::string host;
    Truth takes_over = Truth::unknown;
    std::vector<Evidence> obstacles;  ///< why not, or why that is not known
    std::string mechanism;            ///< what moves the address: "keepalived, virtual_router_id 51"; or ""
};

/// One address or name at which the site is requested, and what stands behind it.
struct Entry {
    std::string url;  ///< "" where none is declared
    int port = 80;
    std::string name;                       ///< "" where it is given by address
    std::optional<reach::Address> address;  ///< nothing for a name without an answer
    bool one_of_several = false;            ///< the name has other addresses too, each with an entry
    std::set<std::string> holders;          ///< hosts that have it on an interface
    std::string active;                     ///< host of the load balancer that it leads to now, or ""
    std::string direct;                     ///< host whose web server it leads to, where no load balancer is
    std::vector<Standby> standbys;
    bool assumed = false;  ///< that it leads there is concluded, not seen

    std::string id() const;  ///< of its component; "" where there is none
};

struct Member {
    std::string server;   ///< as the load balancer names it
    std::string host;     ///< that runs it
    std::string machine;  ///< two hosts of one machine have one
    std::string address;
    std::string role;
    std::string state;
    evidence::ServerDetail detail;

    bool isUsed() const;  ///< requests are sent to it; true where nothing says that they are not
};

/// The servers of one backend of one load balancer.
struct Pool {
    std::string balancer;  ///< instance
    std::string host;      ///< of the load balancer
    std::string proxy;
    std::string algorithm;
    std::vector<Member> members;
};

struct Replica {
    std::string host;
    std::string primary;
    Truth current = Truth::unknown;  ///< it holds what the primary holds, or a little less
};

/// Something that is not there, for the question what it would change.
struct Addition {
    std::string kind;  ///< "haproxy", "web", "mysql", "watchdog"
    std::string host;
};

/// What is known of the collector itself.
struct Setup {
    std::string collector_host;  ///< "" if it is not to be part of the model
    bool watchdog = false;       ///< somebody outside hears its heartbeat
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

/// A delivered service, and which failures stop it.
struct Service {
    std::string name;   ///< "read", "write", "replication", "monitoring"
    std::string title;  ///< "reading over HTTP"
    Gate by_design;
    Gate at_present;  ///< without what is switched off, and with what is known of standbys now
    CutSets design;   ///< with everything healthy
    CutSets now;      ///< with what is down taken away
    std::vector<std::string> not_assessed;
};

/// The whole site: what there is, what hangs on what, and what one and two failures stop.
struct Model {
    std::map<std::string, Component> components;
    std::vector<Edge> edges;
    std::vector<Conflict> conflicts;
    std::vector<Entry> entries;
    std::vector<Pool> pools;
    /// What a web server needs to answer: of each set one component.
    std::map<std::string, std::vector<std::set<std::string>>> apps_of_web;
    std::set<std::string> databases;  ///< hosts
    std::set<std::string> primaries;  ///< hosts that take writes
    std::vector<Replica> replicas;
    std::vector<Service> services;

    const Service* service(const std::string& name) const;
    /// The component of the machine under a host: two hosts of one machine share it.
    std::string machineOf(const std::string& host) const;
    States states() const;
    std::map<std::string, std::string> machines;  ///< host -> the component of its machine
};

/// Puts the model together. Pure.
Model build(const Inputs& inputs);

/// The site at one moment, for questions about it. Immutable.
struct Moment {
    evidence::Network network;
    evidence::Services services;
    Crossings crossings;
    Site site;
    Setup setup;
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;
    Model model;

    /// Puts the model together from the rest.
    static std::shared_ptr<const Moment> of(
        evidence::Network network, evidence::Services services, Crossings crossings, Site site, Setup setup,
        std::shared_ptr<const std::vector<replication::Verdict>> replicas);
    /// The model with something that is not there.
    Model suppose(std::vector<Addition> additions) const;
};

}  // namespace lapwing::analysis::topology
