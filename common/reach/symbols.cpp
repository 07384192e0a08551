#include <map>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

using Names = std::map<std::string, std::uint64_t>;

// The values are the kernel's where it has public ones (linux/in.h, nf_conntrack_common.h, rtnetlink.h), so
// that a number in the listing means the same as the name.
const Names& namesOf(FieldKind kind) {
    static const Names none;
    static const Names protocols{{"icmp", 1},      {"igmp", 2},       {"tcp", 6},    {"udp", 17},
                                 {"ipv6", 41},     {"gre", 47},       {"esp", 50},   {"ah", 51},
                                 {"icmpv6", 58},   {"ipv6-icmp", 58}, {"comp", 108}, {"sctp", 132},
                                 {"udplite", 136}, {"dccp", 33},      {"vrrp", 112}, {"ospf", 89}};
    static const Names flags{{"fin", 1},  {"syn", 2},  {"rst", 4},  {"psh", 8},
                             {"ack", 16}, {"urg", 32}, {"ecn", 64}, {"cwr", 128}};
    static const Names states{
        {"invalid", 1}, {"established", 2}, {"related", 4}, {"new", 8}, {"untracked", 64}};
    static const Names status{{"expected", 1}, {"seen-reply", 2}, {"assured", 4}, {"confirmed", 8},
                              {"snat", 16},    {"dnat", 32},      {"dying", 512}};
    static const Names families{{"ipv4", 2}, {"ipv6", 10}};
    static const Names ether{{"ip", 0x0800}, {"ip6", 0x86dd}, {"arp", 0x0806}, {"vlan", 0x8100}};
    static const Names types{{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}};
    static const Names directions{{"original", 0}, {"reply", 1}};
    static const Names routes{{"unspec", 0},    {"unicast", 1},     {"local", 2},
                              {"broadcast", 3}, {"anycast", 4},     {"multicast", 5},
                              {"blackhole", 6}, {"unreachable", 7}, {"prohibit", 8}};
    static const Names icmpv6_types{
        {"destination-unreachable", 1},  {"packet-too-big", 2},          {"time-exceeded", 3},
        {"parameter-problem", 4},        {"echo-request", 128},          {"echo-reply", 129},
        {"mld-listener-query", 130},     {"mld-listener-report", 131},   {"mld-listener-done", 132},
        {"mld-listener-reduction", 132}, {"nd-router-solicit", 133},     {"nd-router-advert", 134},
        {"nd-neighbor-solicit", 135},    {"nd-neighbor-advert", 136},    {"nd-redirect", 137},
        {"router-renumbering", 138},     {"ind-neighbor-solicit", 141},  {"ind-neighbor-advert", 142},
        {"mld2-listener-report", 143},   {"router-solicitation", 133},   {"router-advertisement", 134},
        {"neighbour-solicitation", 135}, {"neighbor-solicitation", 135}, {"neighbour-advertisement", 136},
        {"neighbor-advertisement", 136}};
    static const Names arp_operations{{"request", 1}, {"reply", 2}};
    switch (kind) {
        case FieldKind::transport:
        case FieldKind::ip_protocol:
        case FieldKind::ip6_next_header:
            return protocols;
        case FieldKind::tcp_flags:
            return flags;
        case FieldKind::ct_state:
            return states;
        case FieldKind::ct_status:
            return status;
        case FieldKind::nf_protocol:
            return families;
        case FieldKind::ether_type:
            return ether;
        case FieldKind::packet_type:
            return types;
        case FieldKind::ct_direction:
            return directions;
        case FieldKind::fib_source_type:
        case FieldKind::fib_destination_type:
        case FieldKind::fib_destination_type_here:
            return routes;
        case FieldKind::icmpv6_type:
            return icmpv6_types;
        case FieldKind::arp_operation:
            return arp_operations;
        default:
            return none;
    }
}

}  // namespace

Statement limitStatement(bool inverted, std::uint64_t rate, const std::string& per, std::uint64_t burst) {
    static const std::map<std::string, std::uint64_t> seconds{
        {"minute", 60}, {"hour", 3600}, {"day", 86'400}, {"week", 604'800}};
    auto out = fixedAnswer(!inverted, "within its rate limit");
    const auto found = seconds.find(per);
    // TCP sends a packet again within seconds: a faster limit only slows a connection down.
    if (rate != 0 && found != seconds.end() && rate < found->second) {
        out.burst = burst;
    }
    return out;
}

std::optional<Key> symbol(FieldKind kind, const std::string& name) {
    const auto& names = namesOf(kind);
    const auto found = names.find(name);
    return found == names.end() ? std::nullopt : std::optional<Key>(keyOf(found->second));
}

}  // namespace lapwing::reach
