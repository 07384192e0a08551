#include "collector/analysis/exposure/flows.h"

#include <algorithm>
#include <iterator>

#include "collector/analysis/exposure/database_clients.h"
#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/placed_servers.h"
#include "common/endpoint.h"
#include "common/text.h"

namespace lapwing::analysis::exposure {

namespace {

using evidence::Program;
using reach::AddressRange;
using reach::Family;

constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};

void append(std::vector<AddressRange>& out, const std::vector<AddressRange>& more) {
    out.insert(out.end(), more.begin(), more.end());
}

/// Adds a reason for which a flow is needed, once.
void addReason(std::string& why, const std::string& reason) {
    const auto padded = ", " + why + ", ";
    if (padded.find(", " + reason + ", ") == std::string::npos) {
        why += (why.empty() ? "" : ", ") + reason;
    }
}

class FlowFinder {
  public:
    FlowFinder(const Context& context, const evidence::Host& host, FlowScope scope)
        : context_(context), host_(host), scope_(scope) {}

    Flows run() {
        if (!host_.listeners_known) {
            missing("what listens on " + host_.name);
        }
        if (host_.addresses.empty()) {
            missing("the addresses of " + host_.name);
        }
        ssh();
        loadBalancers();
        visitors();
        database();
        collector();
        if (scope_ != FlowScope::site) {
            statistics();
        }
        keepalived();
        if (scope_ != FlowScope::site) {
            controls();
        }
        if (scope_ == FlowScope::in_use) {
            attempts();
            connections();
            clients();
        }
        return std::move(out_);
    }

  private:
    void missing(const std::string& input) {
        if (std::find(out_.missing.begin(), out_.missing.end(), input) == out_.missing.end()) {
            out_.missing.push_back(input);
        }
    }

    void open(int port, const std::string& why) { merge({{}, port, why}); }

    void from(std::vector<AddressRange> sources, int port, const std::string& why,
              reach::Protocol protocol = reach::Protocol::tcp) {
        std::erase_if(sources,
                      [&](const auto& range) { return range.low == range.high && isOwn(host_, range); });
        if (!sources.empty()) {
            merge({std::move(sources), port, why, protocol});
        }
    }

    void merge(Flow flow) {
        evidence::sortUnique(flow.from);
        for (auto& known : out_.list) {
            if (known.port != flow.port || known.protocol != flow.protocol) {
                continue;
            }
            addReason(known.why, flow.why);
            if (known.from.empty() || flow.from.empty()) {
                known.from.clear();
                return;
            }
            append(known.from, flow.from);
            evidence::sortUnique(known.from);
            return;
        }
        out_.list.push_back(std::move(flow));
    }

    std::set<int> portsOf(Program program) const {
        std::set<int> out;
        for (const auto& listener : host_.listeners) {
            if (listener.isTcp() && !isLocal(listener) && listener.program() == program) {
                out.insert(listener.port);
            }
        }
        return out;
    }

    void ssh() {
        auto ports = portsOf(Program::ssh);
        for (const auto& attempt : host_.attempts) {
            if (attempt.greeting == evidence::Greeting::ssh) {
                ports.insert(attempt.port);
            }
        }
        if (ports.empty()) {
            ports.insert(kSsh);
        }
        for (const int port : ports) {
            merge({declaredFor(context_.site, {"ssh", "tcp/" + std::to_string(port)}), port, "ssh"});
        }
    }

    /// The port at which a load balancer reaches this host is not known: any that may be a web server's.
    void anyWebPort(const PlacedServer& placed, const std::vector<AddressRange>& sources) {
        const auto is_other = [](Program program) {
            return program == Program::ssh || program == Program::mysql || program == Program::redis;
        };
        bool found = false;
        for (const auto& listener : host_.listeners) {
            if (listener.isTcp() && !isLocal(listener) && !is_other(listener.program()) &&
                listener.port != kCollectorForAgents) {
                from(sources, listener.port, "the load balancer, whose port is not known");
                found = true;
            }
        }
        if (!found) {
            missing("the port at which " + placed.balancer + " reaches its server " + placed.text());
        }
    }

    /// Notes a missing source address of the load balancer's connections to this server.
    void expectSources(const PlacedServer& placed) {
        const auto balancer = context_.network.hosts.find(placed.balancer);
        const bool complete = balancer != context_.network.hosts.end() && !balancer->second.addresses.empty();
        const auto sources = addressesOf(context_, placed.balancer);
        const auto address = placed.endpoint ? placed.endpoint->address() : std::nullopt;
        for (const auto family : kFamilies) {
            // Behind a name may be an address of either family.
            const bool possible = address ? address->family == family : !complete && host_.hasFamily(family);
            if (possible && ofFamily(sources, family).empty()) {
                missing(std::string("the ") + familyText(family) + " address from which " + placed.balancer +
                        " connects to its server " + placed.text());
            }
        }
    }

    void loadBalancers() {
        for (const auto& placed : placedServers(context_)) {
            if (placed.balancer == host_.name || placed.local) {
                continue;
            }
            if (!placed.isIdentified()) {
                missing(placed.missingHost());
            }
            if (placed.host != host_.name) {
                continue;
            }
            expectSources(placed);
            const auto sources =
                placed.by_nginx ? addressesOf(context_, placed.balancer) : balancerSources(context_);
            if (placed.endpoint && placed.endpoint->port != 0) {
                from(sources, placed.endpoint->port,
                     placed.by_nginx ? "Nginx of " + placed.balancer : "the load balancer");
            } else if (scope_ == FlowScope::in_use) {
                anyWebPort(placed, sources);
            }
        }
    }

    /// The site is entered by this host: at the declared ports, and where it is a load balancer, at
    /// HAProxy's.
    void visitors() {
        for (const int port : entryPorts(context_, host_)) {
            if (listensOn(host_, port)) {
                open(port, "the site's visitors");
            }
        }
        const bool balances = std::any_of(
            context_.network.balancers.begin(), context_.network.balancers.end(), [&](const auto& balancer) {
                return balancer.first == host_.name || balancer.second.socket_hosts.contains(host_.name);
            });
        const auto shown = statisticsPorts(host_);
        for (const int port : balances ? portsOf(Program::haproxy) : std::set<int>{}) {
            if (port != kStatistics && !shown.contains(port)) {
                open(port, "the site's visitors");
            }
        }
    }

    void database() {
        const auto ports = portsOf(Program::mysql);
        if (ports.empty()) {
            return;
        }
        const auto clients = databaseClients(context_);
        for (const auto& input : clients.missing) {
            missing(input);
        }
        for (const int port : ports) {
            from(clients.from, port, "the database's peers");
        }
    }

    void collector() {
        if (!listensOn(host_, kCollectorForAgents)) {
            return;
        }
        for (const auto& [name, other] : context_.network.hosts) {
            if (name == host_.name || !other.agent_known) {
                continue;
            }
            const auto callers = callersOf(context_, name);
            if (callers.empty()) {
                missing("the addresses of " + name + ", whose agent connects to the collector");
            }
            from(callers, kCollectorForAgents, "agents to the collector");
        }
    }

    void statistics() {
        const auto balancer = context_.network.balancers.find(host_.name);
        if (balancer == context_.network.balancers.end()) {
            return;
        }
        const auto shown = statisticsPorts(host_);
        for (const int port : portsOf(Program::haproxy)) {
            if (port != kStatistics && !shown.contains(port)) {
                continue;
            }
            for (const auto& agent : balancer->second.seen_by) {
                if (agent != host_.name) {
                    from(callersOf(context_, agent), port, "the agents that read HAProxy's statistics");
                }
            }
        }
    }

    /// VRRP from the others whose keepalived moves an address of this host's.
    void keepalived() {
        if (context_.moment == nullptr) {
            return;
        }
        const auto& vrrp = context_.moment->services.vrrp;
        const auto receiver = vrrp.find(host_.name);
        for (const auto& [name, other] : vrrp) {
            if (receiver == vrrp.end() || name == host_.name) {
                continue;
            }
            for (const auto& instance : receiver->second.instances) {
                for (const auto& address : instance.addresses) {
                    advertisements(name, other.moving(address), address.family);
                }
            }
        }
    }

    void advertisements(const std::string& name, const evidence::VrrpInstance* sender, Family family) {
        if (sender == nullptr) {
            return;
        }
        const auto senders =
            topology::vrrpSenders(context_.network, context_.moment->services, name, *sender, family);
        if (senders.empty()) {
            missing(std::string("the ") + familyText(family) + " address from which keepalived of " + name +
                    " advertises");
        }
        from(evidence::asRanges(senders), 0, "keepalived of " + name, reach::Protocol::vrrp);
    }

    void controls() {
        for (const auto& attempt : host_.attempts) {
            const auto source = reach::Address::parse(attempt.source);
            for (const int port : host_.control_ports) {
                if (source && listensOn(host_, port) && !attempt.second) {
                    from({AddressRange::of(*source)}, port, "the other hosts' control of their attempts");
                }
            }
        }
    }

    /// The site or its configuration tells the clients of this service: other connections are no need.
    bool isRestricted(int port) const {
        const auto is = [&](Program program) {
            const auto* service = nameOf(evidence::kProgramNames, program);
            return portsOf(program).contains(port) ||
                   std::any_of(host_.attempts.begin(), host_.attempts.end(), [&](const auto& attempt) {
                       return attempt.port == port && attempt.service == service;
                   });
        };
        return is(Program::mysql) ||
               (is(Program::ssh) &&
                !declaredFor(context_.site, {"ssh", "tcp/" + std::to_string(port)}).empty());
    }

    void attempts() {
        for (const auto& attempt : host_.attempts) {
            const auto source = reach::Address::parse(attempt.source);
            if (source && !attempt.second && attempt.result == evidence::ConnectResult::open &&
                !isRestricted(attempt.port)) {
                from({AddressRange::of(*source)}, attempt.port, "reached by other hosts now");
            }
        }
    }

    void connections() {
        if (context_.moment == nullptr) {
            return;
        }
        for (const auto& [name, destinations] : context_.moment->services.outgoing) {
            for (const auto& [place, count] : destinations) {
                const auto& [address, port] = place;
                if (name != host_.name && isOwn(host_, AddressRange::of(address)) && listensOn(host_, port) &&
                    !isRestricted(port)) {
                    from(ofFamily(callersOf(context_, name), address.family), port, "connections of " + name);
                }
            }
        }
    }

    /// All connected clients: a load balancer whose servers are not known, a host
    /// without an agent, clients behind NAT or a TCP proxy.
    void clients() {
        if (context_.moment == nullptr) {
            return;
        }
        const auto& incoming = context_.moment->services.incoming;
        const auto seen = incoming.find(host_.name);
        if (seen == incoming.end()) {
            return;
        }
        for (const auto& [port, clients] : seen->second) {
            if (!listensOn(host_, port) || isOpen(port)) {
                continue;
            }
            for (const auto& [address, count] : clients.named) {
                client(port, address, count);
            }
            if (clients.unnamed != 0) {
                missing("which of the " +
                        counted(static_cast<std::size_t>(clients.unnamed), "client", "clients") +
                        " with other addresses that are connected to tcp/" + std::to_string(port) +
                        " now should stay");
            }
        }
    }

    void client(int port, const reach::Address& address, int count) {
        const auto range = AddressRange::of(address);
        if (isLetIn(port, address) || isOwn(host_, range) || isAttempt(port, address, count)) {
            return;
        }
        if (!isRestricted(port)) {
            from({range}, port, "connections that there are now");
            return;
        }
        missing("whether " + address.toString() + ", which is connected to tcp/" + std::to_string(port) +
                ", should stay (declare it in site.allow)");
    }

    bool isOpen(int port) const {
        return std::any_of(out_.list.begin(), out_.list.end(),
                           [&](const auto& flow) { return flow.port == port && flow.from.empty(); });
    }

    bool isLetIn(int port, const reach::Address& address) const {
        return std::any_of(out_.list.begin(), out_.list.end(), [&](const auto& flow) {
            return flow.port == port &&
                   std::any_of(flow.from.begin(), flow.from.end(),
                               [&](const auto& range) { return range.contains(address); });
        });
    }

    /// A single connection may be an agent's attempt.
    bool isAttempt(int port, const reach::Address& address, int count) const {
        return count <= 1 &&
               std::any_of(host_.attempts.begin(), host_.attempts.end(), [&](const auto& attempt) {
                   return attempt.port == port && reach::Address::parse(attempt.source) == address;
               });
    }

    const Context& context_;
    const evidence::Host& host_;
    const FlowScope scope_;
    Flows out_;
};

}  // namespace

std::string Flow::name() const {
    return protocol == reach::Protocol::vrrp ? "vrrp" : "tcp/" + std::to_string(port);
}

NftMatch Flow::match() const {
    return protocol == reach::Protocol::vrrp ? portMatch(NftField::protocol, {reach::kVrrp})
                                             : portMatch(NftField::tcp_port, {port});
}

Flows neededFlows(const Context& context, const evidence::Host& host, FlowScope scope) {
    return FlowFinder(context, host, scope).run();
}

std::vector<reach::Packet> packetsOf(const Context& context, const evidence::Host& host, const Flow& flow,
                                     const AddressRange& source) {
    if (isOwn(host, source)) {
        return {};
    }
    const auto known = evidence::knownAddresses(context.network, host.name);
    auto out = packetsTo(host, source.family, flow.port);
    std::erase_if(out, [&](const auto& packet) {
        return !known.empty() && std::find(known.begin(), known.end(), packet.destination) == known.end();
    });
    for (auto& packet : out) {
        packet.source = source;
        packet.protocol = flow.protocol;
        if (flow.protocol == reach::Protocol::vrrp) {
            packet.destination = reach::vrrpGroup(source.family);
        }
    }
    return out;
}

std::set<int> statisticsPorts(const evidence::Host& host) {
    std::set<int> out;
    for (const auto& attempt : host.attempts) {
        if (attempt.service == "haproxy-stats" || attempt.greeting == evidence::Greeting::haproxy_stats ||
            attempt.greeting == evidence::Greeting::haproxy_stats_admin ||
            (attempt.service == "haproxy" && attempt.port == kStatistics)) {
            out.insert(attempt.port);
        }
    }
    return out;
}

std::set<int> entryPorts(const Context& context, const evidence::Host& host) {
    std::set<int> out;
    for (const auto& url : context.site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        const auto address = endpoint ? endpoint->address() : std::nullopt;
        if (address && isOwn(host, AddressRange::of(*address))) {
            out.insert(endpoint->port);
        }
    }
    if (context.moment != nullptr) {
        for (const auto& entry : context.moment->model.entries) {
            if (entry.holders.contains(host.name) || entry.active == host.name || entry.direct == host.name) {
                out.insert(entry.port);
            }
        }
    }
    return out;
}

bool listensOn(const evidence::Host& host, int port) {
    return std::any_of(host.listeners.begin(), host.listeners.end(),
                       [&](const auto& listener) { return listener.isTcp() && listener.port == port; });
}

bool isLocal(const evidence::Listener& listener) {
    const auto address = reach::Address::parse(listener.address);
    return address && address->isLoopback();
}

}  // namespace lapwing::analysis::exposure
