#pragma once

#include <random>
#include <string>
#include <vector>

#include "common/reach/address.h"
#include "tests/unit/analysis/site_samples.h"

namespace lapwing::test {

/// The properties in which test sites differ. Each site has a load balancer lb-01, web servers with databases
/// web-01 and web-02, and a host with the collector. Every port is open.
struct SiteShape {
    enum class Families { ipv4, ipv6, both };
    /// HAProxy's names of its servers: "web-01" or "s1".
    enum class ServerNames { hosts, others };
    /// A server's address in HAProxy's statistics: "10.77.0.11:80", "10.77.0.11", "web-01:80" or nothing.
    enum class ServerAddresses { whole, without_port, names, hidden };
    enum class Replication { none, from_web_01, from_web_02 };

    Families families = Families::ipv4;
    /// With both families: the family between the hosts, and the family of the declared entry.
    reach::Family inside = reach::Family::ipv4;
    reach::Family entry = reach::Family::ipv4;
    bool entry_by_name = false;
    ServerNames server_names = ServerNames::hosts;
    ServerAddresses server_addresses = ServerAddresses::whole;
    int backends = 1;
    bool agent_on_balancer = false;
    Replication replication = Replication::from_web_01;
    bool primary_by_name = false;
    bool replication_declared = true;
    int ssh_port = 22;
    bool ssh_declared = false;
    bool tried = true;  ///< the agents have tried to connect to each other's ports

    static SiteShape random(std::mt19937& random);
    std::string text() const;
    /// The samples and the declarations tell everything about the flows to the web servers.
    bool tellsEverything() const;
};

/// A flow that the site uses.
struct UsedFlow {
    std::string from;  ///< host, or "anybody"
    std::string to;    ///< host
    reach::Address source;
    reach::Address destination;
    int port = 0;
    std::string why;

    std::string text() const;
};

struct BuiltSite {
    analysis::Site site;
    std::vector<UsedFlow> flows;
};

/// Writes the samples of a site of this shape.
BuiltSite build(const SiteShape& shape, SiteSamples& samples);

}  // namespace lapwing::test
