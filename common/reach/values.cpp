#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "common/reach/chain_walk.h"

namespace lapwing::reach {

namespace {

// IPS_* of linux/netfilter/nf_conntrack_common.h.
constexpr std::uint64_t kSeenReply = 2;
constexpr std::uint64_t kAssured = 4;
constexpr std::uint64_t kConfirmed = 8;
constexpr std::uint64_t kDestinationTranslated = 32;
/// Bits that do not follow from the packet: a change of the source, the ends of the translations, flags of
/// helpers.
constexpr std::uint64_t kOtherStatus = 0xffffULL & ~(kSeenReply | kConfirmed | kDestinationTranslated | 1U);

constexpr std::uint64_t kDontFragment = 0x4000;
constexpr std::uint64_t kSmallestSegment = 536;  // RFC 9293, 3.7.1: the size without the option
constexpr std::uint64_t kMostOf16Bits = 0xffff;
constexpr std::uint64_t kMostHops = 255;

std::uint64_t tcpFlags(PacketKind kind) {
    constexpr std::uint64_t syn = 2;
    constexpr std::uint64_t push = 8;
    constexpr std::uint64_t ack = 16;
    switch (kind) {
        case PacketKind::syn:
            return syn;
        case PacketKind::syn_ack:
            return syn | ack;
        case PacketKind::data:
        case PacketKind::answer_data:
            return push | ack;
        default:
            return ack;
    }
}

std::uint64_t arpOperation(PacketKind kind) {
    return kind == PacketKind::solicitation ? 1 : 2;
}

std::uint64_t neighbourType(PacketKind kind) {
    return kind == PacketKind::solicitation ? kNeighbourSolicitation : kNeighbourAdvertisement;
}

FieldValue marksValue(const Marks& marks) {
    FieldValue out;
    if (!marks || marks->empty()) {
        return out;
    }
    out = number(*marks->begin());
    for (auto mark = std::next(marks->begin()); mark != marks->end(); ++mark) {
        out.others.push_back({keyOf(*mark), keyOf(*mark)});
    }
    return out;
}

/// Addresses, interfaces, the family.
bool isOfEveryPacket(FieldKind kind) {
    switch (kind) {
        case FieldKind::ip_source:
        case FieldKind::ip6_source:
        case FieldKind::ip_destination:
        case FieldKind::ip6_destination:
        case FieldKind::ip_version:
        case FieldKind::interface_in:
        case FieldKind::interface_out:
        case FieldKind::nf_protocol:
        case FieldKind::ether_type:
            return true;
        default:
            return false;
    }
}

}  // namespace

/// A packet of ARP lacks every header above its own.
FieldValue ChainWalk::arpValueOf(FieldKind kind) const {
    switch (kind) {
        case FieldKind::arp_operation:
            return number(arpOperation(view_.kind));
        case FieldKind::mark:
            return others_mark_ ? FieldValue{} : marksValue(packet_.mark);
        case FieldKind::transport:
        case FieldKind::packet_type:
        case FieldKind::ct_state:
        case FieldKind::fib_source_type:
        case FieldKind::fib_destination_type:
        case FieldKind::fib_destination_type_here:
        case FieldKind::fib_source_route:
        case FieldKind::unknown:
            return {};
        default:
            return absent();
    }
}

FieldValue ChainWalk::valueOf(const Field& field) {
    const bool v4 = view_.family == Family::ipv4;
    const bool tcp = view_.transport == kTcp;
    const bool udp = view_.transport == kUdp;
    if (view_.refusal && !isOfEveryPacket(field.kind)) {
        return {};
    }
    if (view_.arp && !isOfEveryPacket(field.kind)) {
        return arpValueOf(field.kind);
    }
    if (packet_.overwritten.contains(field.kind)) {
        return {};
    }
    // A match of an IP header's field does not fit a packet of ARP.
    const auto of_ip = [&](bool family, FieldValue value) {
        return view_.arp || !family ? absent() : std::move(value);
    };
    switch (field.kind) {
        case FieldKind::ip_source:
            return of_ip(v4, view_.source);
        case FieldKind::ip6_source:
            return of_ip(!v4, view_.source);
        case FieldKind::ip_destination:
            return of_ip(v4, view_.destination);
        case FieldKind::ip6_destination:
            return of_ip(!v4, view_.destination);
        case FieldKind::ip_protocol:
            return of_ip(v4, number(view_.transport));
        case FieldKind::ip6_next_header:
            return of_ip(!v4, number(view_.transport));
        case FieldKind::ip_version:
            return of_ip(v4, number(4));
        case FieldKind::ip_fragment: {
            auto whole = number(0);
            whole.hazy = kDontFragment;
            return v4 ? whole : absent();
        }
        case FieldKind::ip_header_length:
            return v4 ? number(5) : absent();
        case FieldKind::ip_ttl:
            return v4 ? hops() : absent();
        case FieldKind::ip6_hop_limit:
            return v4 ? absent() : view_.transport == kIcmpv6 ? number(255) : hops();
        case FieldKind::ip_options:
            return v4 ? number(0) : absent();
        case FieldKind::extension_headers:
            return v4 ? absent() : number(0);
        case FieldKind::absent_header:
            return absent();
        case FieldKind::tcp_source_port:
            return tcp ? view_.source_port : absent();
        case FieldKind::tcp_destination_port:
            return tcp ? view_.destination_port : absent();
        case FieldKind::tcp_flags:
            read_kind_ = true;
            return tcp ? number(tcpFlags(view_.kind)) : absent();
        case FieldKind::tcp_segment_size:
            read_kind_ = true;
            if (!tcp || (view_.kind != PacketKind::syn && view_.kind != PacketKind::syn_ack)) {
                return absent();
            }
            notes_.assumptions.insert("segments have at least 536 bytes");
            return between(kSmallestSegment, kMostOf16Bits);
        case FieldKind::tcp_header_length:
            return tcp ? between(5, 15) : absent();
        case FieldKind::udp_source_port:
            return udp ? view_.source_port : absent();
        case FieldKind::udp_destination_port:
            return udp ? view_.destination_port : absent();
        case FieldKind::any_source_port:
            return view_.source_port;
        case FieldKind::any_destination_port:
            return view_.destination_port;
        case FieldKind::icmpv6_type:
            return view_.transport == kIcmpv6 ? number(neighbourType(view_.kind)) : absent();
        case FieldKind::other_protocol:
            return view_.transport == kIcmpv6 ? FieldValue{} : absent();
        case FieldKind::arp_operation:
            return absent();
        case FieldKind::interface_in:
            return view_.interface_in;
        case FieldKind::interface_out:
            return view_.interface_out;
        case FieldKind::transport:
            return number(view_.transport);
        case FieldKind::nf_protocol:
            return view_.arp ? number(3) : number(v4 ? 2 : 10);
        case FieldKind::ether_type:
            return number(view_.arp ? 0x0806 : v4 ? 0x0800 : 0x86dd);
        case FieldKind::mark:
            return others_mark_ ? FieldValue{} : marksValue(packet_.mark);
        case FieldKind::ct_mark:
            return ctValue(others_mark_ ? FieldValue{} : marksValue(connection_.mark));
        case FieldKind::ct_zone:
            return ctValue(number(0));
        case FieldKind::ct_direction:
            return ctValue(number(isReply(view_.kind) ? 1 : 0));
        case FieldKind::ct_status:
            return ctValue(ctStatus());
        case FieldKind::ct_original_source:
            return ctValue(view_.original_source);
        case FieldKind::ct_original_destination:
            return ctValue(view_.original_destination);
        case FieldKind::ct_original_source_port:
            return ctValue(view_.original_source_port);
        case FieldKind::ct_original_destination_port:
            return ctValue(view_.original_destination_port);
        case FieldKind::ct_state:
            return ctState();
        case FieldKind::packet_type:
            return view_.packet_type;
        case FieldKind::fib_source_type:
            return view_.source_type;
        case FieldKind::fib_destination_type:
            return view_.destination_type;
        case FieldKind::fib_destination_type_here:
            return view_.destination_type_here;
        case FieldKind::fib_source_route:
            if (view_.source_route.kind != FieldValue::Kind::unknown) {
                notes_.assumptions.insert("the source is routed back by the interface on which it arrives");
            }
            return view_.source_route;
        case FieldKind::unknown:
            return {};
    }
    return {};
}

FieldValue ChainWalk::hops() {
    if (view_.hops.kind != FieldValue::Kind::range) {
        return between(1, kMostHops);
    }
    notes_.assumptions.insert("hosts send with TTL (hop limit) " + std::to_string(kHopsOfLinux));
    return view_.hops;
}

FieldValue ChainWalk::ctState() const {
    if (before_conntrack_ && packet_.tracked == Truth::yes) {
        return number(kInvalid);
    }
    // Conntrack does not follow neighbour discovery.
    if (view_.transport == kIcmpv6 || packet_.tracked == Truth::no) {
        return number(kUntracked);
    }
    const bool beside = (base_->hook == Hook::prerouting || base_->hook == Hook::output) &&
                        base_->priority == kConntrackPriority;
    const bool first = isFirst(view_.kind);
    if (beside) {
        return {};
    }
    if (!first && connection_.tracked != Truth::yes && !before_conntrack_) {
        return stateOfHalf();
    }
    auto out = number(before_conntrack_ ? kInvalid : first ? kNew : kEstablished);
    if (packet_.tracked == Truth::unknown) {
        out.others.push_back({keyOf(kUntracked), keyOf(kUntracked)});
    }
    return out;
}

/// The state of a packet where conntrack does not follow each earlier one.
FieldValue ChainWalk::stateOfHalf() const {
    const bool reply = isReply(view_.kind);
    const auto& same = connection_.tracked_by[reply ? 1 : 0];
    const auto& opposite = connection_.tracked_by[reply ? 0 : 1];
    if (packet_.tracked != Truth::yes || opposite.value_or(Truth::no) != Truth::no ||
        same.value_or(Truth::yes) != Truth::yes) {
        return {};
    }
    // To conntrack, every packet so far went in this direction.
    if (view_.transport != kTcp) {
        return number(kNew);
    }
    // The tables of nf_conntrack_proto_tcp.c: a SYN-ACK does not begin a connection; data does, where
    // nf_conntrack_tcp_loose is on; after a SYN, an ACK is out of place.
    if (!reply || view_.kind == PacketKind::syn_ack) {
        return number(kInvalid);
    }
    auto out = number(kNew);
    out.others.push_back({keyOf(kInvalid), keyOf(kInvalid)});
    return out;
}

FieldValue ChainWalk::ctStatus() const {
    const bool first = isFirst(view_.kind);
    auto out =
        number((view_.translated ? kDestinationTranslated : 0) | (first ? 0 : kSeenReply | kConfirmed));
    out.hazy = first ? kOtherStatus & ~kAssured : kOtherStatus;
    return out;
}

/// A value that only a tracked packet has.
FieldValue ChainWalk::ctValue(FieldValue of_packet) const {
    if (before_conntrack_ || packet_.tracked == Truth::no || view_.transport == kIcmpv6) {
        return absent();
    }
    const bool beside = (base_->hook == Hook::prerouting || base_->hook == Hook::output) &&
                        base_->priority == kConntrackPriority;
    // Where conntrack may not follow each packet, it may see another connection.
    const bool known = isFirst(view_.kind) || connection_.tracked == Truth::yes;
    return beside || !known || packet_.tracked == Truth::unknown ? FieldValue{} : std::move(of_packet);
}

/// Whether the packet is outside the bounds of the rule, which then does nothing.
bool ChainWalk::isOutside(const Rule& rule) {
    for (const auto& bounds : rule.bounds) {
        // The trace learns of comparisons with addresses where they are made.
        if (notes_.trace != nullptr && isAddress(bounds.kind)) {
            return false;
        }
        auto known = bounded_.find(bounds.kind);
        if (known == bounded_.end()) {
            known = bounded_.emplace(bounds.kind, valueOf({bounds.kind, std::nullopt, ""})).first;
        }
        const auto& value = known->second;
        if (value.kind == FieldValue::Kind::absent ||
            (value.kind == FieldValue::Kind::range &&
             (value.range.high < bounds.range.low || bounds.range.high < value.range.low))) {
            return true;
        }
    }
    return false;
}

/// False where the packet lacks one of the fields.
bool ChainWalk::valuesOf(const Statement& statement, std::vector<FieldValue>& values) {
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            return false;
        }
    }
    return true;
}

}  // namespace lapwing::reach
