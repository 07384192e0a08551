// The fields of an exchange's packets, as the rules of a hook see them.
#include <algorithm>
#include <utility>

#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

constexpr std::uint64_t kToHost = 0;  // PACKET_*
constexpr std::uint64_t kToGroup = 2;
constexpr std::uint64_t kHopsOfVrrp = 255;  // RFC 5798, 5.1.1.3

}  // namespace

PacketView Traversal::view(PacketKind kind, const Route& route) const {
    PacketView out;
    out.kind = kind;
    out.family = packet_.source.family;
    out.transport = static_cast<std::uint8_t>(packet_.protocol);
    out.translated = route.translated;
    out.source = addressValue(packet_.source);
    out.destination = route.destination ? addressValue(AddressRange::of(*route.destination)) : FieldValue{};
    out.source_port = between(first_port_, last_port_);
    out.destination_port = number(route.port);
    if (packet_.protocol == Protocol::vrrp) {
        // A rule that reads ports without matching the protocol reads other bytes of the packet.
        out.source_port = out.destination_port = {};
    }
    out.original_source = out.source;
    out.original_source_port = out.source_port;
    out.original_destination = addressValue(AddressRange::of(packet_.destination));
    out.original_destination_port = number(packet_.port);
    const bool group = packet_.destination == vrrpGroup(packet_.destination.family);
    const bool reply = isReply(kind);
    if (reply != packet_.outgoing) {
        out.interface_in = noInterface();
        out.interface_out = interfaceValue(reply ? reply_interface_ : packet_.interface);
    } else {
        out.interface_in = interfaceValue(packet_.interface);
        out.interface_out = noInterface();
        out.packet_type = number(group ? kToGroup : kToHost);
        out.source_type = typeOfSource();
        out.source_route = sourceRoute();
        out.destination_type = number(group ? kMulticastType : route.forwarded ? kUnicastType : kLocalType);
        out.destination_type_here = typeHere(out.destination_type, route);
    }
    out.hops = reply != packet_.outgoing ? hopsOf(true, packet_.source) : hops_of_other_;
    if (reply) {
        std::swap(out.source, out.destination);
        std::swap(out.source_port, out.destination_port);
    }
    return out;
}

/// The type of the sender's address on this host. For IPv4 it follows from the host's own addresses: every
/// other address is unicast, routed or not.
FieldValue Traversal::typeOfSource() const {
    const auto& range = packet_.outgoing ? AddressRange::of(packet_.destination) : packet_.source;
    const auto& interfaces = model_.host.interfaces;
    const bool own = std::any_of(interfaces.begin(), interfaces.end(), [&](const auto& one) {
        const auto network = AddressRange::prefix(one.address, one.prefix_length);
        // The first and the last address of a network of IPv4 are broadcast addresses.
        return range.contains(one.address) || (one.address.family == Family::ipv4 && one.prefix_length != 0 &&
                                               (range.contains(Address{Family::ipv4, network.low}) ||
                                                range.contains(Address{Family::ipv4, network.high})));
    });
    if (own || interfaces.empty()) {
        return {};
    }
    auto out = number(kUnicastType);
    if (range.family == Family::ipv6) {
        out.others.push_back({keyOf(kUnreachableType), keyOf(kUnreachableType)});
    }
    return out;
}

/// The TTL or hop limit of a packet that this host (`own`) or `sender` has sent; unknown where routers are
/// between them.
FieldValue Traversal::hopsOf(bool own, const AddressRange& sender) const {
    if (packet_.protocol == Protocol::vrrp) {
        return number(kHopsOfVrrp);
    }
    if (own) {
        return number(kHopsOfLinux);
    }
    if (!model_.host.network) {
        return {};
    }
    const auto found = routesTo(*model_.host.network, sender, std::nullopt, unmarked());
    const bool near = !found.empty() && std::all_of(found.begin(), found.end(), [](const auto& each) {
        return each.carries() && !each.gateway && !each.interface.empty();
    });
    return near ? number(kHopsOfLinux) : FieldValue{};
}

/// The kernel counts before the hook forward.
FieldValue Traversal::oneHopLess(FieldValue hops) {
    for (auto* end : {&hops.range.low, &hops.range.high}) {
        *end = *end == Key{} ? *end : previous(*end);
    }
    return hops;
}

FieldValue Traversal::typeHere(const FieldValue& anywhere, const Route& route) const {
    if (packet_.interface.empty() || !route.destination) {
        return {};
    }
    const auto& interfaces = model_.host.interfaces;
    const auto has = [&](bool here) {
        return std::any_of(interfaces.begin(), interfaces.end(), [&](const auto& one) {
            return one.address == *route.destination && (!here || one.name == packet_.interface);
        });
    };
    return !has(false) || has(true) ? anywhere : FieldValue{};
}

}  // namespace lapwing::reach
