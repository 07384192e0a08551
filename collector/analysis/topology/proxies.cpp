#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "collector/analysis/evidence/addresses.h"
#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"
#include "common/endpoint.h"

namespace lapwing::analysis::topology {

namespace {

using evidence::Program;
using evidence::ServerRole;
using evidence::ServerState;

/// Agents connect to each other's ports; so many connections at one moment are requests.
constexpr int kMoreThanAttempts = 5;
/// Ports of a web site beside the declared ones: one that redirects, one that serves.
constexpr std::array kWebPorts{80, 443};

std::string programText(const std::string& process) {
    static const std::map<std::string, std::string> known{
        {"apache2", "Apache"}, {"httpd", "Apache"},     {"nginx", "Nginx"},     {"haproxy", "HAProxy"},
        {"envoy", "Envoy"},    {"varnishd", "Varnish"}, {"traefik", "Traefik"}, {"caddy", "Caddy"},
    };
    const auto found = known.find(process);
    return found == known.end() ? process : found->second;
}

/// Requests of a web site do not go there.
bool isOtherService(const evidence::Listener& listener) {
    const auto program = listener.program();
    return program == Program::mysql || program == Program::ssh || program == Program::redis ||
           listener.process.starts_with("lapwing");
}

std::set<int> entryPorts(const Site& site) {
    std::set<int> out(kWebPorts.begin(), kWebPorts.end());
    for (const auto& url : site.entry) {
        if (const auto endpoint = Endpoint::ofUrl(url)) {
            out.insert(endpoint->port);
        }
    }
    return out;
}

bool holds(const evidence::Host& host, const reach::Address& address) {
    return std::any_of(host.last_addresses.begin(), host.last_addresses.end(),
                       [&](const auto& held) { return held.address == address; });
}

/// The addresses at which the site is requested: declared, resolved, or moved by keepalived.
std::set<reach::Address> entryAddresses(const Inputs& inputs) {
    auto out = inputs.services.moving();
    for (const auto& url : inputs.site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        if (!endpoint) {
            continue;
        }
        if (const auto address = endpoint->address()) {
            out.insert(*address);
        }
        const auto resolved = inputs.services.names.find(endpoint->host);
        if (resolved != inputs.services.names.end()) {
            out.insert(resolved->second.begin(), resolved->second.end());
        }
    }
    return out;
}

/// The host whose agent holds the address; else the host at which other agents try it; else the address.
std::string placeOf(const Inputs& inputs, const reach::Address& address) {
    for (const auto& [name, host] : inputs.network.hosts) {
        if (holds(host, address)) {
            return name;
        }
    }
    for (const auto& [name, host] : inputs.network.hosts) {
        const bool tried = std::any_of(host.attempts.begin(), host.attempts.end(), [&](const auto& each) {
            return reach::Address::parse(each.address) == address;
        });
        if (tried && host.last_addresses.empty()) {
            return name;
        }
    }
    return address.toString();
}

/// The servers on other hosts that a host's connections of requests lead to, by "ADDRESS:PORT".
class Destinations {
  public:
    Destinations(const Inputs& inputs, const std::string& host, const reach::Address& entry)
        : inputs_(inputs), host_(host), sources_{entry} {
        const auto known = inputs.network.hosts.find(host);
        has_agent_ = known != inputs.network.hosts.end() && known->second.agent_known;
        if (known != inputs.network.hosts.end()) {
            for (const auto& held : known->second.last_addresses) {
                sources_.insert(held.address);
            }
        }
        seenByServers();
        seenHere();
    }

    std::vector<evidence::Server> servers;
    std::set<std::string> observers;  ///< hosts whose sockets show the connections

  private:
    /// Connections of an agent itself show as well, few at a time.
    bool counts(int connections) const { return !has_agent_ || connections >= kMoreThanAttempts; }

    void seenByServers() {
        for (const auto& [name, ports] : inputs_.services.incoming) {
            for (const auto& [port, clients] : ports) {
                for (const auto& [client, count] : clients.named) {
                    if (sources_.contains(client) && counts(count)) {
                        add(name, port, name);
                    }
                }
            }
        }
    }

    void seenHere() {
        const auto outgoing = inputs_.services.outgoing.find(host_);
        if (outgoing == inputs_.services.outgoing.end()) {
            return;
        }
        for (const auto& [place, count] : outgoing->second) {
            const auto* holder = inputs_.network.holder(place.first);
            if (holder != nullptr && counts(count)) {
                add(holder->name, place.second, host_);
            }
        }
    }

    void add(const std::string& name, int port, const std::string& observer) {
        const auto* listener = listenerAt(inputs_.network, name, port);
        const auto& host = inputs_.network.hosts.find(name);
        if (name == host_ || listener == nullptr || isOtherService(*listener) ||
            host->second.addresses.empty()) {
            return;
        }
        observers.insert(observer);
        const auto address = evidence::likelyAddresses(inputs_.network, name);
        if (address.empty() || !seen_.emplace(name, port).second) {
            return;
        }
        evidence::Server server;
        server.proxy = "port-" + std::to_string(port);
        server.server = name;
        server.address = Endpoint{address.front().toString(), static_cast<std::uint16_t>(port)}.toString();
        server.role = ServerRole::active;
        servers.push_back(std::move(server));
    }

    const Inputs& inputs_;
    const std::string& host_;
    std::set<reach::Address> sources_;
    bool has_agent_ = false;
    std::set<std::pair<std::string, int>> seen_;
};

}  // namespace

/// The site's visitors reach the host first.
bool Builder::receives(const std::string& host) const {
    const auto entries = entryAddresses(inputs_);
    const auto found = inputs_.network.hosts.find(host);
    const auto vrrp = inputs_.services.vrrp.find(host);
    return std::any_of(entries.begin(), entries.end(), [&](const auto& address) {
        return (found != inputs_.network.hosts.end() && holds(found->second, address)) ||
               (vrrp != inputs_.services.vrrp.end() && vrrp->second.moving(address) != nullptr);
    });
}

/// Adds the load balancer with one pool for each `proxy` of its servers.
void Builder::balance(const std::string& host, const Balancer& by, Truth works,
                      const std::vector<evidence::Server>& servers) {
    const auto kind =
        by.component == idOf(ComponentKind::nginx, host) ? ComponentKind::nginx : ComponentKind::balancer;
    component(kind, host, works, {by.source, "it spreads the site's requests"});
    model_.balancers[host] = by;
    std::map<std::string, Pool> pools;
    for (const auto& server : servers) {
        auto& pool = pools[server.proxy];
        pool.balancer = host;
        pool.host = host;
        pool.by = by;
        pool.proxy = server.proxy;
        member(pool, server, ComponentKind::app);
    }
    for (auto& [proxy, pool] : pools) {
        model_.pools.push_back(std::move(pool));
    }
}

/// An Nginx that receives the site's requests, and whose configuration passes them to several hosts.
void Builder::nginxBalancer(const std::string& host) {
    std::map<std::string, std::vector<evidence::Server>> upstreams;
    std::set<std::string> remote;
    for (const auto& route : routesOf(host)) {
        const auto endpoint = Endpoint::parse(route.address);
        if (route.address.empty() || (!endpoint && !route.address.starts_with("unix:"))) {
            continue;
        }
        const auto address = endpoint ? endpoint->address() : std::nullopt;
        evidence::Server server;
        server.proxy = route.upstream;
        server.server = route.address;
        server.address = route.address;
        server.role = route.role;
        auto& servers = upstreams[route.upstream];
        const bool known = std::any_of(servers.begin(), servers.end(),
                                       [&](const auto& each) { return each.address == route.address; });
        if (!known) {
            servers.push_back(std::move(server));
        }
        if (endpoint && !(address && address->isLoopback()) && hostAt(address) != host) {
            remote.insert(route.upstream);
        }
    }
    std::vector<evidence::Server> servers;
    std::set<std::string> machines;
    for (const auto& upstream : remote) {
        for (const auto& server : upstreams[upstream]) {
            const auto endpoint = Endpoint::parse(server.address);
            const auto at = hostAt(endpoint ? endpoint->address() : std::nullopt);
            machines.insert(!at.empty() ? model_.machineOf(at) : endpoint ? endpoint->host : host);
            if (!server.isAtSocket()) {
                servers.push_back(server);
            }
        }
    }
    if (machines.size() > 1) {
        balance(host, {idOf(ComponentKind::nginx, host), "Nginx", "Nginx configuration of " + host},
                worksOf(inputs_.services.webs, host), servers);
    }
}

/// NAT rules that send visitors on: no program of the host sees them.
bool Builder::natRule(const std::string& host) {
    const auto found = inputs_.crossings.forwards.find(host);
    if (found == inputs_.crossings.forwards.end()) {
        return false;
    }
    std::vector<evidence::Server> servers;
    for (const auto& forward : found->second) {
        const auto endpoint = Endpoint::parse(forward.to);
        const auto to = hostAt(endpoint ? endpoint->address() : std::nullopt);
        if (to.empty() || to == host) {
            continue;  // a container
        }
        evidence::Server server;
        server.proxy = "nat";
        server.server = forward.to;
        server.address = forward.to;
        server.role = ServerRole::active;
        servers.push_back(std::move(server));
    }
    if (servers.empty()) {
        return false;
    }
    balance(host, {idOf(ComponentKind::balancer, host), "a NAT rule", "ruleset of " + host}, Truth::yes,
            servers);
    for (const auto& forward : found->second) {
        component(ComponentKind::balancer, host, Truth::yes, forward.evidence);
    }
    return true;
}

/// A program, or a NAT rule, at an address of the site whose connections lead to several hosts. Its name is
/// known if an agent there reports the listener.
void Builder::otherBalancer(const std::string& host, const reach::Address& entry) {
    const Destinations to(inputs_, host, entry);
    std::set<std::string> machines;
    for (const auto& server : to.servers) {
        machines.insert(model_.machineOf(server.server));
    }
    const auto ports = entryPorts(inputs_.site);
    const evidence::Listener* listener = nullptr;
    for (const int port : ports) {
        const auto* found = listenerAt(inputs_.network, host, port);
        listener = found == nullptr ? listener : found;
    }
    if (machines.size() < 2 || (listener != nullptr && evidence::isApplication(listener->process))) {
        return;
    }
    const auto known = inputs_.network.hosts.find(host);
    const bool silent = known == inputs_.network.hosts.end() || !known->second.listeners_known;
    const auto program = listener != nullptr ? programText(listener->process) : silent ? "" : "a NAT rule";
    balance(host,
            {idOf(ComponentKind::balancer, host), program,
             "sockets of " + joined({to.observers.begin(), to.observers.end()})},
            silent ? Truth::unknown : Truth::yes, to.servers);
}

/// Load balancers other than HAProxy.
void Builder::proxies() {
    const auto ports = entryPorts(inputs_.site);
    const auto haproxy_receives = [&](const std::string& host) {
        const auto known = model_.balancers.find(host);
        if (known == model_.balancers.end()) {
            return false;
        }
        const auto found = inputs_.network.hosts.find(host);
        return found == inputs_.network.hosts.end() || !found->second.listeners_known ||
               std::any_of(ports.begin(), ports.end(), [&](int port) {
                   const auto* listener = listenerAt(inputs_.network, host, port);
                   return listener != nullptr && listener->program() == Program::haproxy;
               });
    };
    std::set<std::string> behind;
    for (const auto& [host, routes] : inputs_.services.routes) {
        for (const auto& route : routes) {
            const auto endpoint = Endpoint::parse(route.address);
            const auto to = hostAt(endpoint ? endpoint->address() : std::nullopt);
            if (to != host) {
                behind.insert(to);
            }
        }
    }
    const auto first = [&](const std::string& host) {
        return inputs_.site.entry.empty() && inputs_.network.balancers.empty() && !behind.contains(host);
    };
    for (const auto& [host, routes] : inputs_.services.routes) {
        if ((receives(host) || first(host)) && !haproxy_receives(host)) {
            nginxBalancer(host);
        }
    }
    for (const auto& address : entryAddresses(inputs_)) {
        const auto host = placeOf(inputs_, address);
        // An Nginx with a known configuration has told where it passes requests to. Another load balancer
        // whose addresses are not known may hold this address.
        const bool silent_other =
            std::any_of(model_.balancers.begin(), model_.balancers.end(), [&](const auto& each) {
                const auto found = inputs_.network.hosts.find(each.first);
                return found == inputs_.network.hosts.end() || found->second.last_addresses.empty();
            });
        const bool known_holder =
            inputs_.network.hosts.contains(host) && !inputs_.network.hosts.at(host).last_addresses.empty();
        const bool known = model_.balancers.contains(host) || natRule(host);
        if (!known && !inputs_.services.routes.contains(host) && (known_holder || !silent_other)) {
            otherBalancer(host, address);
        }
    }
}

/// The states of servers behind a load balancer that does not tell them: whether their programs answer.
void Builder::concludeStates() {
    for (auto& pool : model_.pools) {
        if (pool.isHaproxys()) {
            continue;
        }
        for (auto& member : pool.members) {
            auto& program = model_.components.at(member.component());
            const auto found = inputs_.network.hosts.find(member.host);
            const auto endpoint = Endpoint::parse(member.server.address);
            if (program.works == Truth::unknown && found != inputs_.network.hosts.end() &&
                found->second.listeners_known && endpoint) {
                program.works = truthOf(listenerAt(inputs_.network, member.host, endpoint->port) != nullptr);
            }
            const bool off = member.server.role == ServerRole::down;
            member.server.state = off                           ? ServerState::maint
                                  : program.works == Truth::yes ? ServerState::up
                                  : program.works == Truth::no  ? ServerState::down
                                                                : ServerState::unknown;
            member.server.state_text = off                           ? "switched off by `down`"
                                       : program.works == Truth::yes ? "answering"
                                       : program.works == Truth::no  ? "not answering"
                                                                     : "";
            // It tries another server only if it cannot connect, unless its configuration says more.
            member.server.check = evidence::HealthCheck::l4;
            edge(pool.by.component, member.component(), EdgeKind::balances, {pool.by.source, "concluded"})
                .works =
                member.server.state == ServerState::unknown ? Truth::unknown : truthOf(member.isUsed());
        }
    }
}

}  // namespace lapwing::analysis::topology
