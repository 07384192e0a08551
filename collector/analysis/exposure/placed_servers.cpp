#include "collector/analysis/exposure/placed_servers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "collector/analysis/exposure/exposed.h"
#include "common/text.h"

namespace lapwing::analysis::exposure {

namespace {

std::string shortName(const std::string& name) {
    return lower(name.substr(0, name.find('.')));
}

/// "web-01" is "web-01.example.org", too.
bool namesHost(const std::string& name, const std::string& host) {
    if (name.empty()) {
        return false;
    }
    const auto short_name = name.substr(0, name.find('.'));
    const auto short_host = host.substr(0, host.find('.'));
    return equalsIgnoreCase(name, host) ||
           (equalsIgnoreCase(short_name, short_host) && (short_name == name || short_host == host));
}

PlacedServer place(const Context& context, const std::string& balancer, const evidence::Server& server) {
    PlacedServer out{balancer, server, Endpoint::parse(server.address), "", server.isAtSocket()};
    const auto address = out.endpoint ? out.endpoint->address() : std::nullopt;
    out.local = out.local || (address && address->isLoopback());
    if (out.local) {
        out.host = balancer;
        return out;
    }
    const auto* holder = address ? context.network.holder(*address) : nullptr;
    if (holder != nullptr) {
        out.host = holder->name;
    } else if (out.endpoint && !address) {
        out.host = hostNamed(context, out.endpoint->host);
    }
    if (out.host.empty()) {
        out.host = hostNamed(context, server.server);
    }
    return out;
}

/// The servers on other hosts to which the Nginx of a host passes requests, by its configuration.
void addUpstreams(const Context& context, const std::string& nginx,
                  const std::vector<evidence::Route>& routes, std::vector<PlacedServer>& out) {
    std::set<std::string> seen;
    for (const auto& route : routes) {
        evidence::Server server;
        server.proxy = route.upstream;
        server.server = route.address;
        server.address = route.address;
        server.role = route.role;
        auto placed = place(context, nginx, server);
        placed.by_nginx = true;
        if (!placed.local && placed.endpoint && !placed.host.empty() && placed.host != nginx &&
            route.role != evidence::ServerRole::down && seen.insert(route.address).second) {
            out.push_back(std::move(placed));
        }
    }
}

}  // namespace

std::string hostNamed(const Context& context, const std::string& name) {
    using ByShortName = std::map<std::string, std::vector<std::string>>;
    const auto& hosts = context.memo->once<ByShortName>("hosts", [&] {
        ByShortName out;
        for (const auto& [host, known] : context.network.hosts) {
            out[shortName(host)].push_back(host);
        }
        return out;
    });
    const auto alike = hosts.find(shortName(name));
    for (const auto& host : alike == hosts.end() ? std::vector<std::string>{} : alike->second) {
        if (namesHost(name, host)) {
            return host;
        }
    }
    return "";
}

bool PlacedServer::isIdentified() const {
    return !host.empty() || (endpoint && endpoint->address());
}

std::string PlacedServer::text() const {
    return server.server + (by_nginx ? " of upstream " : " of backend ") + server.proxy +
           (endpoint ? " at " + endpoint->toString() : "");
}

std::string PlacedServer::missingHost() const {
    return "which host " + balancer + " means by its server " + text() +
           (endpoint          ? ""
            : addresses_shown ? " (its name does not resolve)"
                              : " (HAProxy's statistics show no addresses without `stats show-legends`)");
}

namespace {

std::vector<PlacedServer> placeServers(const Context& context) {
    std::vector<PlacedServer> out;
    for (const auto& [instance, balancer] : context.network.balancers) {
        const bool shown = std::any_of(balancer.servers.begin(), balancer.servers.end(),
                                       [](const auto& server) { return !server.address.empty(); });
        for (const auto& server : balancer.servers) {
            auto placed = place(context, instance, server);
            placed.addresses_shown = shown;
            const bool free_slot = shown && server.address.empty() && placed.host.empty() &&
                                   server.state == evidence::ServerState::maint;
            if (!free_slot) {
                out.push_back(std::move(placed));
            }
        }
    }
    if (context.moment != nullptr) {
        for (const auto& pool : context.moment->model.pools) {
            const bool seen =
                pool.by.component == topology::idOf(topology::ComponentKind::balancer, pool.host);
            for (const auto& member : seen ? pool.members : std::vector<topology::Member>{}) {
                out.push_back(place(context, pool.host, member.server));
            }
        }
        for (const auto& [host, routes] : context.moment->services.routes) {
            addUpstreams(context, host, routes, out);
        }
    }
    return out;
}

}  // namespace

const std::vector<PlacedServer>& placedServers(const Context& context) {
    return context.memo->once<std::vector<PlacedServer>>("placed servers",
                                                         [&] { return placeServers(context); });
}

std::vector<reach::AddressRange> addressesOf(const Context& context, const std::string& balancer) {
    const auto& balancers = context.network.balancers;
    return balancers.size() == 1 && balancers.contains(balancer) ? balancerSources(context)
                                                                 : callersOf(context, balancer);
}

const std::vector<reach::AddressRange>& balancerSources(const Context& context) {
    return context.memo->once<std::vector<reach::AddressRange>>("sources of load balancers", [&] {
        auto out = evidence::asRanges(evidence::balancerAddresses(context.network, context.site));
        if (context.moment != nullptr) {
            for (const auto& entry : context.moment->model.entries) {
                if (entry.address && !entry.active.empty()) {
                    out.push_back(reach::AddressRange::of(*entry.address));
                }
            }
        }
        evidence::sortUnique(out);
        return out;
    });
}

const std::vector<reach::AddressRange>& siteHosts(const Context& context) {
    return context.memo->once<std::vector<reach::AddressRange>>(
        "hosts of the site", [&] { return evidence::siteHosts(context.network); });
}

}  // namespace lapwing::analysis::exposure
