#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/judgement.h"
#include "common/endpoint.h"

namespace lapwing::analysis::exposure {

/// A server of a load balancer, and the host on which it runs.
struct PlacedServer {
    std::string balancer;  ///< instance, or the host of an Nginx
    evidence::Server server;
    std::optional<Endpoint> endpoint;  ///< nothing where HAProxy's statistics do not show its address
    std::string host;                  ///< "" where it is not known
    bool local = false;            ///< a Unix socket or a loopback address: on the load balancer's own host
    bool addresses_shown = false;  ///< the statistics show addresses of other servers of the load balancer
    bool by_nginx = false;         ///< an Nginx on another host passes requests to it

    /// HAProxy's name for it and, where known, its address: "s1 of backend web at 10.77.0.11:80".
    std::string text() const;
    /// Its host is known, or at least its address.
    bool isIdentified() const;
    /// What is not known where it is not identified.
    std::string missingHost() const;
};

/// Every server of every load balancer, and those on other hosts to which an Nginx passes requests. The host
/// is the holder of the server's address; else the host that has the server's name. Free slots of a
/// server-template are left out: servers in maintenance that have no address, where others of the load
/// balancer have one.
const std::vector<PlacedServer>& placedServers(const Context& context);

/// The host of the site that has that name, with or without a domain; "" for none.
std::string hostNamed(const Context& context, const std::string& name);

/// The addresses of one load balancer, or of the host of an Nginx, as far as they are known. Those of the
/// declared entries count where it is the only HAProxy.
std::vector<reach::AddressRange> addressesOf(const Context& context, const std::string& balancer);

/// Addresses from which load balancers connect to their servers.
const std::vector<reach::AddressRange>& balancerSources(const Context& context);

/// See evidence::siteHosts().
const std::vector<reach::AddressRange>& siteHosts(const Context& context);

}  // namespace lapwing::analysis::exposure
