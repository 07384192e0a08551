// Neighbour discovery (RFC 4861) and ARP: without them a packet has no hardware address to go to.
#include <algorithm>
#include <iterator>
#include <utility>

#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

constexpr std::uint64_t kToHost = 0;  // PACKET_*
constexpr std::uint64_t kToGroup = 2;
constexpr std::size_t kMostKept = 1024;

/// ff02::1:ff00:0/104 and the last 24 bits of the address (RFC 4291, 2.7.1).
AddressRange solicitedNode(const AddressRange& of) {
    auto low = Address::parse("ff02::1:ff00:0").value_or(Address{}).key;
    auto high = low;
    const bool one = of.low == of.high;
    for (const std::size_t i : {13, 14, 15}) {
        low[i] = one ? of.low[i] : 0;
        high[i] = one ? of.low[i] : 0xff;
    }
    return {Family::ipv6, low, high};
}

AddressRange linkLocal() {
    return AddressRange::prefix(Address::parse("fe80::").value_or(Address{}), 10);
}

}  // namespace

/// The host that gets packets to `end`: itself, or a router. Nothing where the interface needs no hardware
/// addresses.
std::optional<Traversal::Hop> Traversal::hopTo(const AddressRange& end, const std::string& interface,
                                               const std::optional<Address>& own, bool host_begins) const {
    const auto& network = model_.host.network;
    Hop out{end, interface, own, false, false, host_begins};
    if (!network) {
        return out;
    }
    const auto link = std::find_if(network->links.begin(), network->links.end(),
                                   [&](const auto& each) { return each.name == interface; });
    if (link != network->links.end() && !link->resolves) {
        return std::nullopt;
    }
    const auto found = routesTo(*network, end, std::nullopt, unmarked());
    if (found.size() == 1) {
        // Peers of VRRP also send by themselves, and so may learn each other's hardware addresses.
        out.certain = packet_.protocol != Protocol::vrrp;
        out.is_router = found[0].gateway.has_value();
        out.address = found[0].gateway ? AddressRange::of(*found[0].gateway) : end;
    }
    return out;
}

/// The hosts with which this one exchanges packets directly: on the way to the sender, and on the way to a
/// host to which it forwards.
std::vector<Traversal::Hop> Traversal::hops() const {
    std::vector<Hop> out;
    const auto add = [&](const std::optional<Hop>& hop) {
        if (hop) {
            out.push_back(*hop);
        }
    };
    if (packet_.outgoing) {
        add(hopTo(AddressRange::of(packet_.destination), packet_.interface,
                  Address{packet_.source.family, packet_.source.low}, true));
    } else {
        add(hopTo(packet_.source, packet_.interface, packet_.destination, false));
    }
    for (const auto& route : outcome_.forwarded_to) {
        const auto& interfaces = model_.host.interfaces;
        const auto own = std::find_if(interfaces.begin(), interfaces.end(), [&](const auto& one) {
            return one.name == route.interface_out && one.address.family == packet_.source.family &&
                   !one.address.isLinkLocal();
        });
        add(hopTo(AddressRange::of(*route.destination), route.interface_out,
                  own == interfaces.end() ? std::nullopt : std::optional(own->address), true));
    }
    return out;
}

bool Traversal::seesDiscovery() const {
    const bool v6 = packet_.source.family == Family::ipv6;
    return std::any_of(model_.tables.begin(), model_.tables.end(), [&](const Table& table) {
        const bool concerned = table.family == TableFamily::netdev ||
                               (v6 ? table.family == TableFamily::ip6 || table.family == TableFamily::inet
                                   : table.family == TableFamily::arp);
        return concerned && !table.dormant && !table.base_chains.empty();
    });
}

PacketView Traversal::discoveryView(PacketKind kind, bool inward, const Hop& hop) const {
    const bool v6 = packet_.source.family == Family::ipv6;
    const auto own = hop.own ? addressValue(AddressRange::of(*hop.own)) : FieldValue{};
    PacketView out;
    out.kind = kind;
    out.family = packet_.source.family;
    out.transport = v6 ? kIcmpv6 : 0;
    out.arp = !v6;
    out.interface_in = inward ? interfaceValue(hop.interface) : noInterface();
    out.interface_out = inward ? noInterface() : interfaceValue(hop.interface);
    const bool asks = kind == PacketKind::solicitation;
    if (inward) {
        out.packet_type = number(asks ? kToGroup : kToHost);
        out.destination_type = out.destination_type_here = number(asks ? kMulticastType : kLocalType);
    }
    if (!v6) {
        return out;
    }
    if (inward && !hop.is_router && !hop.host_begins) {
        out.source_type = typeOfSource();
        out.source_route = sourceRoute();
    }
    auto other = addressValue(hop.address);
    if (hop.is_router) {
        // A router asks from any of its addresses.
        other.others.push_back({linkLocal().low, linkLocal().high});
    }
    out.source = inward ? other : own;
    const auto asked = !inward   ? hop.address
                       : hop.own ? AddressRange::of(*hop.own)
                                 : AddressRange::all(Family::ipv6);
    out.destination = asks ? addressValue(solicitedNode(asked)) : inward ? own : other;
    return out;
}

/// Whether a packet of neighbour discovery passes the rules.
Truth Traversal::discoveryPasses(PacketKind kind, bool inward, const Hop& hop, NeighbourResult& out) {
    auto kept = std::exchange(outcome_, {});
    auto notes = std::exchange(notes_, {});
    notes_.trace = notes.trace;
    walk_.resume({}, {});
    walk_.beginPacket();
    const auto seen = discoveryView(kind, inward, hop);
    const bool open =
        inward
            ? through(Hook::ingress, seen) && through(Hook::prerouting, seen) && through(Hook::input, seen)
            : through(Hook::output, seen) && through(Hook::postrouting, seen) && through(Hook::egress, seen);
    // A neighbour ignores questions and answers whose hop limit is not 255 (RFC 4861, 7.1).
    const bool damaged = walk_.packet().overwritten.contains(FieldKind::ip6_hop_limit);
    if (damaged) {
        notes_.unknowns.insert("whether neighbour discovery works with the hop limit that a rule sets");
    }
    const auto passes = notes_.anything     ? Truth::unknown
                        : !open             ? Truth::no
                        : damaged           ? Truth::unknown
                        : outcome_.blocks() ? Truth::unknown
                                            : Truth::yes;
    if (passes != Truth::yes) {
        out.dropped_by.insert(outcome_.dropped_by.begin(), outcome_.dropped_by.end());
        out.unknowns.insert(notes_.unknowns.begin(), notes_.unknowns.end());
        out.path.insert(out.path.end(), outcome_.path.begin(), outcome_.path.end());
    }
    outcome_ = std::move(kept);
    notes_ = std::move(notes);
    return passes;
}

NeighbourResult Traversal::discover(const Hop& hop) {
    NeighbourResult out;
    const auto& network = model_.host.network;
    const bool known =
        network && std::any_of(network->neighbours.begin(), network->neighbours.end(), [&](const auto& each) {
            return each.interface == hop.interface && hop.address.contains(each.address);
        });
    const auto asked = discoveryPasses(PacketKind::solicitation, true, hop, out);
    const auto answers = discoveryPasses(PacketKind::resolution, false, hop, out);
    const auto asks = discoveryPasses(PacketKind::solicitation, false, hop, out);
    const auto answered = discoveryPasses(PacketKind::resolution, true, hop, out);
    // Learning from a question alone is not enough: a host with several addresses asks from one of them, and
    // then sends from all.
    const auto both = conjunction(conjunction(asked, answers), conjunction(asks, answered));
    if (both == Truth::yes) {
        return out;
    }
    // Each side learns the other's hardware address from a question or from an answer.
    const auto learns = disjunction(asked, conjunction(asks, answered));
    const bool mute = asks == Truth::no && answers == Truth::no;
    const bool certain = hop.certain && network && !known;
    out.passes = certain && (learns == Truth::no || mute) ? Truth::no : Truth::unknown;
    return out;
}

/// Where neighbour discovery certainly fails, nothing else passes.
void Traversal::applyDiscovery() {
    if (!seesDiscovery() || packet_.destination == vrrpGroup(packet_.destination.family)) {
        return;
    }
    const bool one_way = outcome_.ways == 1;
    for (const auto& hop : hops()) {
        auto found = discoverOnce(hop);
        if (found.passes == Truth::yes) {
            continue;
        }
        outcome_.path.insert(outcome_.path.begin(), found.path.begin(), found.path.end());
        if (found.passes == Truth::no && one_way) {
            outcome_.may_reach = outcome_.may_reject = false;
            outcome_.dropped_by = std::move(found.dropped_by);
            outcome_.fails = PacketKind::solicitation;
            return;
        }
        outcome_.may_drop = true;
        outcome_.may_fail = PacketKind::solicitation;
        outcome_.dropped_by.merge(found.dropped_by);
        notes_.unknowns.merge(found.unknowns);
        const auto* words = packet_.source.family == Family::ipv6 ? "neighbour discovery" : "ARP";
        notes_.unknowns.insert("whether this host and " + hop.address.toString() +
                               " know each other's hardware address: rules drop " + words);
    }
}

/// The result for a host is the same for each port.
NeighbourResult Traversal::discoverOnce(const Hop& hop) {
    const unsigned flags = (hop.host_begins ? 1U : 0U) | (hop.is_router ? 2U : 0U) | (hop.certain ? 4U : 0U);
    const NeighbourKey key{hop.address.family,          hop.address.low, hop.address.high,
                           hop.own.value_or(Address{}), hop.interface,   flags};
    if (notes_.trace != nullptr) {
        return discover(hop);  // the trace has to see each comparison
    }
    {
        const MutexLock lock(model_.found_mutex);
        if (const auto known = model_.neighbours.find(key); known != model_.neighbours.end()) {
            return known->second;
        }
    }
    auto found = discover(hop);
    const MutexLock lock(model_.found_mutex);
    if (model_.neighbours.size() >= kMostKept) {
        model_.neighbours.clear();
    }
    model_.neighbours[key] = found;
    return found;
}

}  // namespace lapwing::reach
