#include "collector/analysis/exposure/remedy.h"

#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/loading.h"
#include "collector/analysis/exposure/placed_servers.h"

namespace lapwing::analysis::exposure {

namespace {

using reach::AddressRange;
using reach::Family;
using reach::Policy;
using reach::Verdict;

constexpr const char* kTriesRules =
    " The commands below try the rules for five minutes before they keep them.\n";
constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};

NftRule icmpRule() {
    return {{portMatch(NftField::protocol, {reach::kIcmp, reach::kIcmpv6})}, Policy::accept, "ICMP, ICMPv6"};
}

NftRule loopbackRule(NftField interface) {
    return {{wordMatch(interface, {"lo"})}};
}

NftRule establishedRule() {
    return {{wordMatch(NftField::connection_state, {"established", "related"})}};
}

/// A packet that comes in at one address of that family; nothing where the host has none.
std::optional<reach::Packet> packetTo(const evidence::Host& host, Family family) {
    auto packets = packetsTo(host, family, 0);
    return packets.empty() ? std::nullopt : std::optional(std::move(packets.front()));
}

bool contains(const std::vector<AddressRange>& ranges, const AddressRange& range) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const auto& each) { return each.contains(range); });
}

bool letsInAsMeant(const reach::Ruleset& ruleset, const Flow& flow, reach::Packet packet) {
    const auto family = packet.destination.family;
    packet.protocol = flow.protocol;
    packet.port = static_cast<std::uint16_t>(flow.port);
    packet.source = AddressRange::all(family);
    const auto sources = ruleset.sources(packet);
    if (!sources) {
        return false;
    }
    const auto& reach = (*sources)->reach;
    const auto stranger = AddressRange::of(ruleset.stranger(family));
    if (flow.from.empty() || contains(flow.from, stranger)) {
        return contains(reach, stranger);
    }
    return !contains(reach, stranger) && !contains((*sources)->may, stranger) &&
           reach::subtract(ofFamily(flow.from, family), reach).empty();
}

/// Every flow gets in from its sources and from nowhere else, over each family that the host has, and nothing
/// else gets in.
bool isAsMeant(const reach::Ruleset& ruleset, const evidence::Host& host, const std::vector<Flow>& flows) {
    bool evaluated = false;
    for (const auto family : kFamilies) {
        auto packet = packetTo(host, family);
        if (!packet) {
            continue;
        }
        evaluated = true;
        packet->source = AddressRange::of(ruleset.stranger(family));
        packet->port = ruleset.unusedPort({});
        const bool closed = ruleset.evaluate(*packet).verdict == Verdict::must_block;
        if (!closed || !std::all_of(flows.begin(), flows.end(), [&](const auto& flow) {
                return letsInAsMeant(ruleset, flow, *packet);
            })) {
            return false;
        }
    }
    return evaluated;
}

/// What the evaluator says of the ruleset that is proposed; "" if that is not what was meant.
std::string evaluatedLine(const NftTable& table, const evidence::Host& host, const std::vector<Flow>& flows) {
    const auto ruleset = reach::Ruleset::parse(tableJson(table));
    return ruleset && isAsMeant(*ruleset, host, flows)
               ? "# Evaluated with these rules: a port that they do not name is blocked for everybody, and " +
                     counted(flows.size(), "port", "ports") + " stay open to the sources named (on " +
                     host.name + ").\n"
               : "";
}

/// The host's listeners that the flows do not name: "tcp/8000 (app)".
std::vector<std::string> closedBy(const std::vector<Flow>& flows, const evidence::Host& host) {
    std::set<std::string> closed;
    for (const auto& listener : host.listeners) {
        const bool named = std::any_of(flows.begin(), flows.end(), [&](const auto& flow) {
            return listener.isTcp() && flow.port == listener.port;
        });
        if (named || isLocal(listener)) {
            continue;
        }
        const auto service = listener.service();
        auto text = evidence::transportName(listener.protocol) + ("/" + std::to_string(listener.port));
        if (text != service) {
            text.append(" (").append(service).append(")");
        }
        closed.insert(std::move(text));
    }
    return {closed.begin(), closed.end()};
}

std::vector<Family> familiesOf(const evidence::Host& host) {
    std::vector<Family> out;
    std::copy_if(std::begin(kFamilies), std::end(kFamilies), std::back_inserter(out),
                 [&](const auto family) { return host.hasFamily(family); });
    return out;
}

/// The destinations that a host needs.
class Outbound {
  public:
    Outbound(const Context& context, const evidence::Host& host) : context_(context), host_(host) {}

    NftTable table() {
        NftTable out{"lapwing_output", reach::Hook::output, 0, Policy::drop, {}};
        out.add(loopbackRule(NftField::interface_out));
        out.add(establishedRule());
        out.add(icmpRule());
        out.add({{portMatch(NftField::udp_port, {53, 123})}, Policy::accept, "names, time"});
        out.add({{portMatch(NftField::tcp_port, {53, 80, 443})}, Policy::accept, "names, packages"});
        out.add(rulesTo(
            collectors(),
            {{portMatch(NftField::tcp_port, {kCollectorForAgents})}, Policy::accept, "the collector"}));
        for (const auto family :
             keepalived() ? std::vector{Family::ipv4, Family::ipv6} : std::vector<Family>{}) {
            out.add(rulesTo({AddressRange::of(reach::vrrpGroup(family))},
                            {{portMatch(NftField::protocol, {reach::kVrrp})}, Policy::accept, "keepalived"}));
        }
        expectWatched();
        const auto hosts = site();
        out.add(rulesTo(hosts, {{}, Policy::accept, "the site's hosts: replication, attempts"}));
        for (const auto& [address, port] : connections()) {
            const auto to = AddressRange::of(address);
            if (std::find(hosts.begin(), hosts.end(), to) == hosts.end()) {
                out.add(rulesTo({to}, {{portMatch(NftField::tcp_port, {port})},
                                       Policy::accept,
                                       "connections that there are now"}));
            }
        }
        return out;
    }

    const std::vector<std::string>& missing() const { return missing_; }

  private:
    std::vector<AddressRange> collectors() const {
        std::vector<AddressRange> out;
        for (const auto& [name, other] : context_.network.hosts) {
            if (!listensOn(other, kCollectorForAgents)) {
                continue;
            }
            const auto known = evidence::asRanges(evidence::likelyAddresses(context_.network, name));
            out.insert(out.end(), known.begin(), known.end());
            for (const auto& held : other.addresses) {
                out.push_back(AddressRange::of(held.address));
            }
        }
        evidence::sortUnique(out);
        return out;
    }

    bool keepalived() const {
        if (context_.moment == nullptr) {
            return false;
        }
        const auto& vrrp = context_.moment->services.vrrp;
        const auto found = vrrp.find(host_.name);
        return found != vrrp.end() && !found->second.instances.empty();
    }

    /// Notes missing addresses of the collector and of load balancers.
    void expectWatched() {
        const auto destinations = connections();
        const bool reported = std::any_of(destinations.begin(), destinations.end(), [](const auto& place) {
            return place.second == kCollectorForAgents;
        });
        if (collectors().empty() && !reported) {
            missing_.push_back("the address of the collector, to which its agent connects");
        }
        // Where the host's connections are reported, the reading of statistics is among them.
        for (const auto& [instance, balancer] : context_.network.balancers) {
            const bool remote = instance != host_.name && balancer.seen_by.contains(host_.name) &&
                                !balancer.socket_hosts.contains(host_.name);
            for (const auto family :
                 remote&& destinations.empty() ? familiesOf(host_) : std::vector<Family>{}) {
                if (ofFamily(addressesOf(context_, instance), family).empty()) {
                    missing_.push_back(std::string("the ") + familyText(family) + " address of " + instance +
                                       ", whose statistics its agent reads");
                }
            }
        }
    }

    /// The site's hosts, the primary of this host's replication and the servers of load balancers.
    std::vector<AddressRange> site() {
        auto out = siteHosts(context_);
        const auto& balancers = balancerSources(context_);
        out.insert(out.end(), balancers.begin(), balancers.end());
        for (const auto& placed : placedServers(context_)) {
            const auto address = placed.endpoint ? placed.endpoint->address() : std::nullopt;
            if (address && !placed.local) {
                out.push_back(AddressRange::of(*address));
            } else if (placed.balancer == host_.name && !placed.local && placed.host.empty()) {
                missing_.push_back(placed.missingHost());
            }
        }
        for (const auto& replica : context_.network.replicas) {
            const auto address = reach::Address::parse(replica.primary_address);
            if (address) {
                out.push_back(AddressRange::of(*address));
            } else if (replica.replica == host_.name &&
                       hostNamed(context_, replica.primary_address).empty()) {
                missing_.push_back("the address of " + replica.primary_address +
                                   ", from which it replicates");
            }
        }
        evidence::sortUnique(out);
        return out;
    }

    std::vector<std::pair<reach::Address, int>> connections() const {
        std::vector<std::pair<reach::Address, int>> out;
        if (context_.moment != nullptr) {
            const auto& outgoing = context_.moment->services.outgoing;
            const auto found = outgoing.find(host_.name);
            for (const auto& [place, count] :
                 found == outgoing.end() ? decltype(outgoing.begin()->second){} : found->second) {
                if (!place.first.isLoopback()) {
                    out.push_back(place);
                }
            }
        }
        return out;
    }

    const Context& context_;
    const evidence::Host& host_;
    std::vector<std::string> missing_;
};

}  // namespace

std::string incompleteLine(const std::vector<std::string>& missing) {
    return missing.empty()
               ? ""
               : "# Incomplete, add rules before you load it: not known is " + joined(missing) + ".\n";
}

NftTable inputTable(const std::vector<Flow>& flows) {
    NftTable out{"lapwing", reach::Hook::input, 0, Policy::drop, {}};
    out.add(loopbackRule(NftField::interface_in));
    out.add(establishedRule());
    out.add({{wordMatch(NftField::connection_state, {"invalid"})}, Policy::drop});
    out.add(icmpRule());
    for (const auto& flow : flows) {
        const NftRule accept{{flow.match()}, Policy::accept, flow.why};
        if (flow.from.empty()) {
            out.add(accept);
        } else {
            out.add(rulesFrom(flow.from, accept));
        }
    }
    return out;
}

std::string firewallRemedy(const Context& context, const evidence::Host& host, const std::string& advice) {
    const auto flows = neededFlows(context, host, FlowScope::in_use);
    const auto table = inputTable(flows.list);
    auto out = incompleteLine(flows.missing);
    out += advice + kTriesRules;
    if (const auto closed = closedBy(flows.list, host); !closed.empty()) {
        out +=
            "# This closes " + joined(closed) + " to other hosts; add a line for each that somebody needs.\n";
    }
    return out + evaluatedLine(table, host, flows.list) + loadingSteps(host, table);
}

NftTable portsTable(const std::set<int>& ports, std::vector<AddressRange> from) {
    evidence::sortUnique(from);
    const auto match = portMatch(NftField::tcp_port, {ports.begin(), ports.end()});
    NftTable out{"lapwing_ports", reach::Hook::input, 0, Policy::accept, {}};
    out.add(loopbackRule(NftField::interface_in));
    out.add(rulesFrom(from, {{match}}));
    out.add({{match}, Policy::drop});
    return out;
}

std::string portsRemedy(const Context& context, const std::string& host, const std::set<int>& ports,
                        std::vector<AddressRange> from, const std::string& advice) {
    if (ports.empty()) {
        return advice + "\n";
    }
    std::vector<std::string> missing;
    for (const auto& [name, other] : context.network.hosts) {
        if (other.agent_known && evidence::likelyAddresses(context.network, name).empty()) {
            missing.push_back("the addresses of " + name);
        }
    }
    evidence::Host place;
    place.name = host;
    return incompleteLine(missing) + advice + kTriesRules +
           loadingSteps(place, portsTable(ports, std::move(from)));
}

OutputTable outputTable(const Context& context, const evidence::Host& host) {
    Outbound outbound(context, host);
    auto table = outbound.table();
    return {std::move(table), outbound.missing()};
}

std::string outboundRemedy(const Context& context, const evidence::Host& host) {
    const auto output = outputTable(context, host);
    return incompleteLine(output.missing) + "Let " + host.name + " connect only to what it needs." +
           kTriesRules +
           "# These rules close everything else: add a line for what the application calls (mail, other "
           "APIs).\n" +
           loadingSteps(host, output.table);
}

NftTable forwardTable(const std::string& interface, const reach::Address& to, int port,
                      const std::vector<AddressRange>& from) {
    NftRule rule{{wordMatch(NftField::interface_in_name, {interface}),
                  addressMatch(destinationField(to.family), {AddressRange::of(to)}),
                  portMatch(NftField::tcp_port, {port})},
                 Policy::drop};
    if (const auto allowed = ofFamily(from, to.family); !allowed.empty()) {
        rule.matches.push_back(addressMatch(sourceField(to.family), allowed, true));
    }
    rule.matches.push_back(wordMatch(NftField::connection_state, {"new"}));
    return {"lapwing_forward", reach::Hook::forward, -10, Policy::accept, {rule}};
}

}  // namespace lapwing::analysis::exposure
