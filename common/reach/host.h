#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/reach/address.h"

namespace lapwing::reach {

/// Types of routes (ip-route(8)). `other`: a type, or an action of a policy rule, that is not modelled.
enum class RouteType { unicast, blackhole, unreachable, prohibit, throw_, other };

const char* routeTypeName(RouteType type);
std::optional<RouteType> parseRouteType(std::string_view word);

/// How the kernel routes packets: routes, policy rules, reverse path filters, and what stands behind the
/// interfaces.
struct Network {
    struct Route {
        unsigned table = 0;
        AddressRange to;
        RouteType type = RouteType::unicast;
        std::string interface;  ///< "" where the route has several
        std::optional<Address> gateway;
        unsigned metric = 0;
        bool operator==(const Route&) const = default;
    };
    /// Of ip-rule(8).
    struct Rule {
        Family family = Family::ipv4;
        unsigned priority = 0;
        std::optional<AddressRange> from;
        std::optional<AddressRange> to;
        std::optional<unsigned> mark;  ///< of packets, in the bits of `mask`
        unsigned mask = ~0U;
        bool inverted = false;
        std::optional<unsigned> suppressed;   ///< ignores routes whose prefix has at most that length
        bool further = false;                 ///< has more selectors: interfaces, ports, users
        RouteType type = RouteType::unicast;  ///< unicast: looks into `table`
        unsigned table = 0;
        bool operator==(const Rule&) const = default;
    };
    struct Link {
        std::string name;
        std::string kind;      ///< "bridge", "veth", "vlan"; "" of a plain network card
        std::string master;    ///< its bridge or bond, if it is a port
        std::string lower;     ///< the interface below it
        bool resolves = true;  ///< uses neighbour discovery or ARP
        bool xdp = false;      ///< has an XDP program
        bool tc = false;       ///< has filters of tc for incoming packets, or a place for them
        bool operator==(const Link&) const = default;
    };
    struct Neighbour {
        std::string interface;
        Address address;
        bool operator==(const Neighbour&) const = default;
    };
    std::vector<Route> routes;  ///< of all tables but "local"
    std::vector<Rule> rules;    ///< in the order of their priorities
    std::vector<Link> links;
    std::vector<Neighbour> neighbours;     ///< whose hardware address is known without asking
    std::map<std::string, int> rp_filter;  ///< of IPv4, as it takes effect on each interface
    bool operator==(const Network&) const = default;
};

/// The host on which the rules are. The evaluation needs it to follow a packet after a change of its
/// destination, and to tell whether answers find their way.
struct Host {
    struct Interface {
        std::string name;
        Address address;
        unsigned prefix_length = 0;  ///< of the connected network
        bool operator==(const Interface&) const = default;
    };
    std::vector<Interface> interfaces;
    std::optional<bool> forwards_ipv4;
    std::optional<bool> forwards_ipv6;
    /// Nothing: not collected; every source then counts as routed.
    std::optional<Network> network = std::nullopt;
    bool operator==(const Host&) const = default;
};

std::string toJson(const Host& host);
/// Reads the output of toJson(). Missing members stay unknown.
Host hostFromJson(std::string_view json);

/// A route that a packet may take.
struct RouteFound {
    bool exists = false;
    RouteType type = RouteType::unicast;
    std::string interface;
    std::optional<Address> gateway;
    std::optional<AddressRange> to;  ///< the route's prefix; nothing for a policy rule

    bool carries() const { return exists && type == RouteType::unicast; }
    /// "no route to the other host", "the route to 10.0.0.0/8 is of the type blackhole"
    std::string refusal() const;
};

/// The routes that packets from `from` to addresses of `to` may take: several where a rule or a route applies
/// to a part of them only, or depends on more than addresses. `unmarked`: the packets have the mark 0.
std::vector<RouteFound> routesTo(const Network& network, const AddressRange& to,
                                 const std::optional<Address>& from, bool unmarked);

/// Some packet to that address is sent, or that is not known.
bool mayBeRouted(const Host& host, const Address& to);
/// An address of each network of that family that has a route, other than the host's own.
std::vector<Address> routedExamples(const Host& host, Family family);
/// The address ranges that the host's routes tell apart.
std::vector<AddressRange> routedRanges(const Host& host, Family family);

}  // namespace lapwing::reach
