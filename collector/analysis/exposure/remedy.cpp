#include "collector/analysis/exposure/remedy.h"

#include <algorithm>
#include <set>

#include "collector/analysis/exposure/exposed.h"

namespace lapwing::analysis::exposure {

namespace {

constexpr int kCollectorForAgents = 9766;
constexpr const char* kLetsIcmp = "    meta l4proto { 1, 58 } accept comment \"ICMP, ICMPv6\"\n";

int portOf(const std::string& address) {
    const auto colon = address.rfind(':');
    return colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
}

/// Servers of a load balancer that are this host.
std::vector<const evidence::Server*> serversOn(const evidence::Network& network, const std::string& host) {
    std::vector<const evidence::Server*> out;
    for (const auto& [instance, balancer] : network.balancers) {
        for (const auto& server : balancer.servers) {
            const auto address = reach::Address::parse(server.address.substr(0, server.address.rfind(':')));
            const auto* holder = address ? network.holder(*address) : nullptr;
            if (server.server == host || (holder != nullptr && holder->name == host)) {
                out.push_back(&server);
            }
        }
    }
    return out;
}

bool listensOn(const evidence::Host& host, int port) {
    return std::any_of(host.listeners.begin(), host.listeners.end(),
                       [&](const auto& one) { return one.isTcp() && one.port == port; });
}

bool isLocal(const evidence::Listener& listener) {
    const auto address = reach::Address::parse(listener.address);
    return address && address->isLoopback();
}

void merge(std::vector<Flow>& flows, Flow flow) {
    evidence::sortUnique(flow.from);
    for (auto& known : flows) {
        if (known.port != flow.port || known.protocol != flow.protocol) {
            continue;
        }
        known.why += ", " + flow.why;
        if (known.from.empty() || flow.from.empty()) {
            known.from.clear();
            return;
        }
        known.from.insert(known.from.end(), flow.from.begin(), flow.from.end());
        evidence::sortUnique(known.from);
        return;
    }
    flows.push_back(std::move(flow));
}

std::vector<reach::AddressRange> of(const std::vector<reach::AddressRange>& ranges, reach::Family family) {
    std::vector<reach::AddressRange> out;
    std::copy_if(ranges.begin(), ranges.end(), std::back_inserter(out),
                 [&](const auto& range) { return range.family == family; });
    return out;
}

std::string list(const std::vector<reach::AddressRange>& addresses) {
    if (addresses.size() == 1) {
        return addresses[0].toString();
    }
    std::string out = "{ ";
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        out += (i == 0 ? "" : ", ") + addresses[i].toString();
    }
    return out + " }";
}

constexpr reach::Family kFamilies[] = {reach::Family::ipv4, reach::Family::ipv6};

const char* protocolName(reach::Family family) {
    return family == reach::Family::ipv4 ? "ip" : "ip6";
}

/// A rule for packets from ("saddr") or to ("daddr") those of the addresses that are of that family; "" where
/// none is.
std::string ruleFor(reach::Family family, const char* field,
                    const std::vector<reach::AddressRange>& addresses, const std::string& rest) {
    const auto some = of(addresses, family);
    if (some.empty()) {
        return "";
    }
    return std::string("    ") + protocolName(family) + " " + field + " " + list(some) + " " + rest + "\n";
}

/// As nft lists an address, a network or a range.
std::string rangeJson(const reach::AddressRange& range) {
    const auto text = range.toString();
    const auto quoted = [](const std::string& word) { return "\"" + word + "\""; };
    if (const auto slash = text.find('/'); slash != std::string::npos) {
        return R"({"prefix":{"addr":)" + quoted(text.substr(0, slash)) + R"(,"len":)" +
               text.substr(slash + 1) + "}}";
    }
    if (const auto dash = text.find('-'); dash != std::string::npos) {
        return R"({"range":[)" + quoted(text.substr(0, dash)) + "," + quoted(text.substr(dash + 1)) + "]}";
    }
    return quoted(text);
}

/// From the others whose keepalived moves an address of this host's.
void addVrrp(const Context& context, const evidence::Host& host, std::vector<Flow>& flows) {
    if (context.moment == nullptr) {
        return;
    }
    const auto& services = context.moment->services;
    const auto own = services.vrrp.find(host.name);
    for (const auto& [name, other] : services.vrrp) {
        if (own == services.vrrp.end() || name == host.name) {
            continue;
        }
        for (const auto& instance : own->second.instances) {
            for (const auto& address : instance.addresses) {
                const auto* sender = other.moving(address);
                const auto from = sender == nullptr ? std::vector<reach::Address>{}
                                                    : topology::vrrpSenders(context.network, services, name,
                                                                            *sender, address.family);
                if (!from.empty()) {
                    merge(flows,
                          {evidence::asRanges(from), 0, "keepalived of " + name, reach::Protocol::vrrp});
                }
            }
        }
    }
}

std::string matchJson(const Flow& flow) {
    if (flow.protocol == reach::Protocol::vrrp) {
        return R"({"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"vrrp"}},)";
    }
    return R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":)" +
           std::to_string(flow.port) + "}},";
}

/// What the evaluator says of the ruleset that is proposed; "" if that is not what was meant.
std::string checked(const Context& context, const evidence::Host& host, const std::vector<Flow>& flows) {
    const auto ruleset = reach::Ruleset::parse(rulesetJson(flows));
    if (!ruleset || host.addresses.empty()) {
        return "";
    }
    const auto own = std::find_if(host.addresses.begin(), host.addresses.end(),
                                  [](const auto& one) { return one.address.family == reach::Family::ipv4; });
    reach::Packet packet;
    packet.destination = (own == host.addresses.end() ? host.addresses.begin() : own)->address;
    packet.source = reach::AddressRange::of(ruleset->stranger(packet.destination.family));
    packet.interface = host.addresses[0].interface;
    packet.port = ruleset->unusedPort({});
    if (ruleset->evaluate(packet).verdict != reach::Verdict::must_block) {
        return "";
    }
    for (const auto& flow : flows) {
        packet.protocol = flow.protocol;
        packet.port = static_cast<std::uint16_t>(flow.port);
        const auto stranger = reach::AddressRange::of(ruleset->stranger(packet.destination.family));
        packet.source = stranger;
        const bool open =
            flow.from.empty() || std::any_of(flow.from.begin(), flow.from.end(),
                                             [&](const auto& range) { return range.contains(stranger); });
        const auto wanted = open ? reach::Verdict::must_reach : reach::Verdict::must_block;
        if (ruleset->evaluate(packet).verdict != wanted) {
            return "";
        }
        for (const auto& address : of(flow.from, packet.destination.family)) {
            packet.source = address;
            if (ruleset->evaluate(packet).verdict != reach::Verdict::must_reach) {
                return "";
            }
        }
    }
    return "Evaluated with these rules: a port that they do not name is blocked for everybody, and " +
           counted(flows.size(), "port", "ports") + " stay open to the sources named (on " +
           context.network.hosts.at(host.name).name + ").";
}

}  // namespace

std::string matchText(const Flow& flow) {
    return flow.protocol == reach::Protocol::vrrp ? "meta l4proto 112"
                                                  : "tcp dport " + std::to_string(flow.port);
}

std::string Flow::name() const {
    return protocol == reach::Protocol::vrrp ? "vrrp" : "tcp/" + std::to_string(port);
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

namespace {

/// The other hosts whose agents do.
std::vector<reach::AddressRange> statisticsReaders(const Context& context, const std::string& balancer) {
    std::vector<reach::AddressRange> out;
    for (const auto& agent : context.network.balancers.at(balancer).seen_by) {
        if (agent != balancer) {
            const auto known = evidence::asRanges(evidence::likelyAddresses(context.network, agent));
            out.insert(out.end(), known.begin(), known.end());
        }
    }
    return out;
}

}  // namespace

std::vector<Flow> neededFlows(const Context& context, const evidence::Host& host, bool controls) {
    std::vector<Flow> flows;
    merge(flows, {declaredFor(context.site, {"ssh", "tcp/22"}), kSsh, "ssh"});
    for (const auto* server : serversOn(context.network, host.name)) {
        if (const int port = portOf(server->address); port != 0) {
            merge(flows, {evidence::asRanges(evidence::balancerAddresses(context.network, context.site)),
                          port, "the load balancer"});
        }
    }
    const bool balancer = context.network.balancers.contains(host.name);
    const auto statistics = statisticsPorts(host);
    for (const auto& listener : host.listeners) {
        if (!listener.isTcp() || isLocal(listener)) {
            continue;
        }
        if (listener.program() == evidence::Program::mysql) {
            auto from = allowedToDatabase(context);
            std::erase_if(from, [&](const auto& range) {
                return std::any_of(host.addresses.begin(), host.addresses.end(), [&](const auto& one) {
                    return range == reach::AddressRange::of(one.address);
                });
            });
            if (!from.empty()) {
                merge(flows, {from, listener.port, "the database's peers"});
            }
        } else if (listener.port == kCollectorForAgents) {
            std::vector<reach::Address> from;
            for (const auto& [name, other] : context.network.hosts) {
                const auto known = evidence::likelyAddresses(context.network, name);
                if (name != host.name && other.agent_known) {
                    from.insert(from.end(), known.begin(), known.end());
                }
            }
            merge(flows, {evidence::asRanges(from), listener.port, "agents to the collector"});
        } else if (balancer && listener.program() == evidence::Program::haproxy &&
                   (listener.port == kStatistics || statistics.contains(listener.port))) {
            const auto from = statisticsReaders(context, host.name);
            if (controls && !from.empty()) {
                merge(flows, {from, listener.port, "the agents that read HAProxy's statistics"});
            }
        } else if (balancer && listener.program() == evidence::Program::haproxy) {
            merge(flows, {{}, listener.port, "the site's visitors"});
        }
    }
    addVrrp(context, host, flows);
    for (const auto& attempt : host.attempts) {
        for (const int port : controls ? host.control_ports : std::set<int>{}) {
            const auto source = reach::Address::parse(attempt.source);
            if (source && listensOn(host, port) && !attempt.second) {
                merge(
                    flows,
                    {{reach::AddressRange::of(*source)}, port, "the other hosts' control of their attempts"});
            }
        }
    }
    for (auto& flow : flows) {
        std::set<std::string> reasons;
        std::string why;
        std::string rest = flow.why;
        while (!rest.empty()) {
            const auto comma = rest.find(", ");
            const auto one = rest.substr(0, comma);
            rest = comma == std::string::npos ? "" : rest.substr(comma + 2);
            if (reasons.insert(one).second) {
                why += (why.empty() ? "" : ", ") + one;
            }
        }
        flow.why = why;
    }
    return flows;
}

std::vector<reach::Packet> packetsOf(const Context& context, const evidence::Host& host, const Flow& flow,
                                     const reach::AddressRange& source) {
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

std::string rulesetText(const std::string& host, const std::vector<Flow>& flows,
                        const std::vector<std::string>& closed) {
    std::string out =
        "# " + host +
        ": save as /etc/nftables.d/lapwing.nft, load with: nft -f /etc/nftables.d/lapwing.nft\n";
    out += "table inet lapwing\ndelete table inet lapwing\ntable inet lapwing {\n  chain input {\n";
    out += "    type filter hook input priority filter; policy drop;\n";
    out +=
        "    iif \"lo\" accept\n    ct state vmap { established : accept, related : accept, invalid : drop "
        "}\n";
    out += kLetsIcmp;
    for (const auto& flow : flows) {
        const auto accept = matchText(flow) + " accept comment \"" + flow.why + "\"";
        if (flow.from.empty()) {
            out += "    " + accept + "\n";
        }
        for (const auto family : kFamilies) {
            out += ruleFor(family, "saddr", flow.from, accept);
        }
    }
    out += "  }\n}\n";
    if (!closed.empty()) {
        out +=
            "# This closes " + joined(closed) + " to other hosts; add a line for each that somebody needs.\n";
    }
    return out;
}

std::string rulesetJson(const std::vector<Flow>& flows) {
    const std::string place = R"("family":"inet","table":"lapwing","chain":"input","handle":)";
    std::string out =
        R"({"nftables":[{"table":{"family":"inet","name":"lapwing","handle":1}},)"
        R"({"chain":{"family":"inet","table":"lapwing","name":"input","handle":1,"type":"filter","hook":"input","prio":0,"policy":"drop"}})";
    int handle = 2;
    const auto rule = [&](const std::string& matches) {
        out += ",{\"rule\":{" + place + std::to_string(handle++) + ",\"expr\":[" + matches +
               R"({"accept":null}]}})";
    };
    rule(R"({"match":{"op":"==","left":{"meta":{"key":"iif"}},"right":"lo"}},)");
    rule(R"({"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},)");
    rule(R"({"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":["icmp","ipv6-icmp"]}}},)");
    for (const auto& flow : flows) {
        const auto port = matchJson(flow);
        if (flow.from.empty()) {
            rule(port);
        }
        for (const auto family : kFamilies) {
            std::string set;
            for (const auto& range : of(flow.from, family)) {
                set += (set.empty() ? "" : ",") + rangeJson(range);
            }
            if (!set.empty()) {
                std::string matches = R"({"match":{"op":"==","left":{"payload":{"protocol":")";
                matches += protocolName(family);
                matches += R"(","field":"saddr"}},"right":{"set":[)";
                matches += set;
                matches += "]}}},";
                matches += port;
                rule(matches);
            }
        }
    }
    return out + "]}";
}

std::string firewallRemedy(const Context& context, const evidence::Host& host) {
    const auto flows = neededFlows(context, host);
    std::set<std::string> closed;
    for (const auto& listener : host.listeners) {
        const bool named = std::any_of(flows.begin(), flows.end(), [&](const auto& flow) {
            return listener.isTcp() && flow.port == listener.port;
        });
        if (!named && !isLocal(listener)) {
            const auto service = listener.service();
            const auto port =
                evidence::transportName(listener.protocol) + ("/" + std::to_string(listener.port));
            auto text = port;
            if (service != port) {
                text.append(" (").append(service).append(")");
            }
            closed.insert(std::move(text));
        }
    }
    auto remedy = rulesetText(host.name, flows, {closed.begin(), closed.end()});
    if (const auto verdict = checked(context, host, flows); !verdict.empty()) {
        remedy += "# " + verdict + "\n";
    }
    return remedy;
}

std::string portsRemedy(const std::string& host, const std::set<int>& ports,
                        std::vector<reach::AddressRange> from) {
    evidence::sortUnique(from);
    std::string listed;
    for (const int port : ports) {
        listed += (listed.empty() ? "" : ", ") + std::to_string(port);
    }
    const auto match = "tcp dport { " + listed + " }";
    std::string out =
        "# " + host +
        ": save as /etc/nftables.d/lapwing-ports.nft, load with: nft -f /etc/nftables.d/lapwing-ports.nft\n"
        "table inet lapwing_ports\ndelete table inet lapwing_ports\ntable inet lapwing_ports {\n"
        "  chain input {\n    type filter hook input priority filter; policy accept;\n"
        "    iif \"lo\" accept\n";
    for (const auto family : kFamilies) {
        out += ruleFor(family, "saddr", from, match + " accept");
    }
    return out + "    " + match + " drop\n  }\n}\n";
}

std::string outboundRemedy(const Context& context, const evidence::Host& host) {
    std::vector<reach::AddressRange> collectors;
    for (const auto& [name, other] : context.network.hosts) {
        if (listensOn(other, kCollectorForAgents)) {
            const auto known = evidence::asRanges(evidence::likelyAddresses(context.network, name));
            collectors.insert(collectors.end(), known.begin(), known.end());
            for (const auto& own : other.addresses) {
                collectors.push_back(reach::AddressRange::of(own.address));
            }
        }
    }
    auto site = evidence::siteHosts(context.network);
    const auto balancers = evidence::asRanges(evidence::balancerAddresses(context.network, context.site));
    site.insert(site.end(), balancers.begin(), balancers.end());
    evidence::sortUnique(collectors);
    evidence::sortUnique(site);
    std::string out =
        "# " + host.name +
        ": save as /etc/nftables.d/lapwing-output.nft, load with: nft -f "
        "/etc/nftables.d/lapwing-output.nft\n"
        "table inet lapwing_output\ndelete table inet lapwing_output\ntable inet lapwing_output {\n"
        "  chain output {\n    type filter hook output priority filter; policy drop;\n"
        "    oif \"lo\" accept\n    ct state established,related accept\n";
    out += kLetsIcmp;
    out +=
        "    udp dport { 53, 123 } accept comment \"names, time\"\n"
        "    tcp dport { 53, 80, 443 } accept comment \"names, packages\"\n";
    for (const auto family : kFamilies) {
        out +=
            ruleFor(family, "daddr", collectors,
                    "tcp dport " + std::to_string(kCollectorForAgents) + " accept comment \"the collector\"");
        if (context.moment != nullptr && context.moment->services.vrrp.contains(host.name) &&
            !context.moment->services.vrrp.at(host.name).instances.empty()) {
            const auto group = reach::vrrpGroup(family).toString();
            out += std::string("    ") + protocolName(family) + " daddr " + group +
                   " meta l4proto 112 accept comment \"keepalived\"\n";
        }
        out += ruleFor(family, "daddr", site, "accept comment \"the site's hosts: replication, attempts\"");
    }
    return out +
           "  }\n}\n# It closes everything else: add a line for what the application calls (mail, other "
           "APIs).\n";
}

}  // namespace lapwing::analysis::exposure
