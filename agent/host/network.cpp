#include "agent/host/network.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include "agent/host/netlink.h"

namespace lapwing::agent {

namespace {

using reach::Address;
using reach::AddressRange;
using reach::Family;
using reach::Network;
using reach::RouteType;

constexpr std::size_t kMostRoutes = 1024;

std::optional<Address> addressOf(const Attributes& attributes, unsigned type, unsigned char family) {
    const auto found = attributes.find(type);
    const std::size_t size = family == AF_INET ? 4 : 16;
    if (found == attributes.end() || found->second.size() != size) {
        return std::nullopt;
    }
    Address out{family == AF_INET ? Family::ipv4 : Family::ipv6, {}};
    std::copy(found->second.begin(), found->second.end(), out.key.end() - static_cast<std::ptrdiff_t>(size));
    return out;
}

/// Asks for a list and calls `each` with the type-specific header and the attributes of every entry. False
/// where the kernel refuses or does not answer.
template <typename Header>
bool dump(std::uint16_t type, unsigned char family,
          const std::function<void(const Header&, const Attributes&)>& each) {
    Header request{};
    std::memcpy(&request, &family, sizeof family);
    const std::string_view body(reinterpret_cast<const char*>(&request), sizeof request);
    return dumpNetlink(NETLINK_ROUTE, type, body, [&](std::string_view entry) {
        const std::size_t skipped = NLMSG_ALIGN(sizeof(Header));
        if (entry.size() >= sizeof(Header)) {
            Header header{};
            std::memcpy(&header, entry.data(), sizeof header);
            each(header, attributesOf(entry.substr(std::min(skipped, entry.size()))));
        }
    });
}

std::string interfaceName(unsigned index) {
    std::array<char, IF_NAMESIZE> name{};
    return index != 0 && if_indextoname(index, name.data()) != nullptr ? name.data() : "";
}

AddressRange prefixOf(const Attributes& attributes, unsigned type, unsigned char family, unsigned length) {
    const auto address = addressOf(attributes, type, family)
                             .value_or(Address{family == AF_INET ? Family::ipv4 : Family::ipv6, {}});
    return AddressRange::prefix(address, length);
}

RouteType typeOf(unsigned type) {
    switch (type) {
        case RTN_UNICAST:
            return RouteType::unicast;
        case RTN_BLACKHOLE:
            return RouteType::blackhole;
        case RTN_UNREACHABLE:
            return RouteType::unreachable;
        case RTN_PROHIBIT:
            return RouteType::prohibit;
        case RTN_THROW:
            return RouteType::throw_;
        default:
            return RouteType::other;
    }
}

bool readRoutes(unsigned char family, Network& out) {
    return dump<rtmsg>(RTM_GETROUTE, family, [&](const rtmsg& entry, const Attributes& attributes) {
        const auto table = numberOf(attributes, RTA_TABLE).value_or(entry.rtm_table);
        const bool of_host = entry.rtm_type == RTN_LOCAL || entry.rtm_type == RTN_BROADCAST ||
                             entry.rtm_type == RTN_MULTICAST || entry.rtm_type == RTN_ANYCAST;
        if (table == RT_TABLE_LOCAL || of_host || (entry.rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0 ||
            entry.rtm_family != family || out.routes.size() > kMostRoutes) {
            return;
        }
        Network::Route route;
        route.table = table;
        route.to = prefixOf(attributes, RTA_DST, family, entry.rtm_dst_len);
        // Destination addresses alone do not decide about a route by source or by type of service.
        route.type = entry.rtm_src_len != 0 || entry.rtm_tos != 0 ? RouteType::other : typeOf(entry.rtm_type);
        route.interface = attributes.contains(RTA_MULTIPATH)
                              ? ""
                              : interfaceName(numberOf(attributes, RTA_OIF).value_or(0));
        route.gateway = addressOf(attributes, RTA_GATEWAY, family);
        route.metric = numberOf(attributes, RTA_PRIORITY).value_or(0);
        out.routes.push_back(std::move(route));
    });
}

bool readPolicyRules(unsigned char family, Network& out) {
    return dump<fib_rule_hdr>(
        RTM_GETRULE, family, [&](const fib_rule_hdr& entry, const Attributes& attributes) {
            Network::Rule rule;
            rule.family = family == AF_INET ? Family::ipv4 : Family::ipv6;
            rule.priority = numberOf(attributes, FRA_PRIORITY).value_or(0);
            rule.table = numberOf(attributes, FRA_TABLE).value_or(entry.table);
            if (entry.src_len != 0) {
                rule.from = prefixOf(attributes, FRA_SRC, family, entry.src_len);
            }
            if (entry.dst_len != 0) {
                rule.to = prefixOf(attributes, FRA_DST, family, entry.dst_len);
            }
            constexpr unsigned plain[] = {
                FRA_PRIORITY, FRA_TABLE,  FRA_SRC,    FRA_DST, FRA_SUPPRESS_PREFIXLEN,
                FRA_PROTOCOL, FRA_UNSPEC, FRA_FWMARK, FRA_PAD, FRA_FWMASK};
            rule.inverted = (entry.flags & FIB_RULE_INVERT) != 0;
            rule.mark = numberOf(attributes, FRA_FWMARK);
            rule.mask = numberOf(attributes, FRA_FWMASK).value_or(~0U);
            // -1: nothing is suppressed.
            rule.suppressed = numberOf(attributes, FRA_SUPPRESS_PREFIXLEN);
            rule.suppressed = rule.suppressed == ~0U ? std::nullopt : rule.suppressed;
            rule.further = entry.tos != 0;
            for (const auto& [type, value] : attributes) {
                rule.further =
                    rule.further || std::find(std::begin(plain), std::end(plain), type) == std::end(plain);
            }
            switch (entry.action) {
                case FR_ACT_TO_TBL:
                    break;
                case FR_ACT_BLACKHOLE:
                    rule.type = RouteType::blackhole;
                    break;
                case FR_ACT_UNREACHABLE:
                    rule.type = RouteType::unreachable;
                    break;
                case FR_ACT_PROHIBIT:
                    rule.type = RouteType::prohibit;
                    break;
                case FR_ACT_NOP:
                    return;
                default:
                    rule.type = RouteType::other;
            }
            out.rules.push_back(rule);
        });
}

bool readLinks(Network& out) {
    return dump<ifinfomsg>(RTM_GETLINK, AF_UNSPEC, [&](const ifinfomsg& entry, const Attributes& attributes) {
        Network::Link link;
        link.name = textOf(attributes, IFLA_IFNAME);
        link.master = interfaceName(numberOf(attributes, IFLA_MASTER).value_or(0));
        // The other end of a veth is no interface below; it may be in another namespace.
        const bool elsewhere = attributes.contains(IFLA_LINK_NETNSID);
        if (const auto info = attributes.find(IFLA_LINKINFO); info != attributes.end()) {
            link.kind = textOf(attributesOf(info->second), IFLA_INFO_KIND);
        }
        if (!elsewhere && link.kind != "veth") {
            link.lower = interfaceName(numberOf(attributes, IFLA_LINK).value_or(0));
        }
        link.resolves = (entry.ifi_flags & (IFF_NOARP | IFF_LOOPBACK | IFF_POINTOPOINT)) == 0;
        if (const auto xdp = attributes.find(IFLA_XDP); xdp != attributes.end()) {
            const auto inner = attributesOf(xdp->second);
            const auto attached = inner.find(IFLA_XDP_ATTACHED);
            link.xdp = attached != inner.end() && !attached->second.empty() && attached->second[0] != 0;
        }
        out.links.push_back(std::move(link));
    });
}

bool readFilters(Network& out) {
    return dump<tcmsg>(RTM_GETQDISC, AF_UNSPEC, [&](const tcmsg& entry, const Attributes& attributes) {
        const auto kind = textOf(attributes, TCA_KIND);
        const auto name = interfaceName(static_cast<unsigned>(entry.tcm_ifindex));
        for (auto& link : out.links) {
            link.tc = link.tc || (link.name == name && (kind == "ingress" || kind == "clsact"));
        }
    });
}

bool readNeighbours(Neighbours wanted, Network& out) {
    return dump<ndmsg>(RTM_GETNEIGH, AF_UNSPEC, [&](const ndmsg& entry, const Attributes& attributes) {
        const auto known = wanted == Neighbours::permanent
                               ? NUD_PERMANENT
                               : NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
        const auto address = entry.ndm_family == AF_INET || entry.ndm_family == AF_INET6
                                 ? addressOf(attributes, NDA_DST, entry.ndm_family)
                                 : std::nullopt;
        if (address && (entry.ndm_state & known) != 0) {
            out.neighbours.push_back({interfaceName(static_cast<unsigned>(entry.ndm_ifindex)), *address});
        }
    });
}

int readNumber(const std::string& path) {
    int value = 0;
    std::ifstream(path) >> value;
    return value;
}

}  // namespace

std::optional<reach::Network> readNetwork(const std::string& proc, Neighbours neighbours) {
    Network out;
    const bool read = readRoutes(AF_INET, out) && readRoutes(AF_INET6, out) &&
                      readPolicyRules(AF_INET, out) && readPolicyRules(AF_INET6, out) && readLinks(out) &&
                      readFilters(out) && readNeighbours(neighbours, out);
    if (!read || out.routes.size() > kMostRoutes) {
        return std::nullopt;
    }
    std::stable_sort(out.rules.begin(), out.rules.end(),
                     [](const auto& a, const auto& b) { return a.priority < b.priority; });
    // The ports of containers come and go, and say nothing.
    std::erase_if(out.links, [](const Network::Link& link) {
        return link.kind == "veth" && !link.master.empty() && link.resolves && !link.xdp && !link.tc;
    });
    const auto conf = proc + "/sys/net/ipv4/conf/";
    const auto all = readNumber(conf + "all/rp_filter");
    for (const auto& link : out.links) {
        out.rp_filter[link.name] = std::max(all, readNumber(conf + link.name + "/rp_filter"));
    }
    return out;
}

}  // namespace lapwing::agent
