#include <algorithm>
#include <array>
#include <cstdint>

#include "common/enum_names.h"
#include "common/reach/host.h"
#include "common/truth.h"

namespace lapwing::reach {

namespace {

constexpr std::array kRouteTypes{
    EnumName<RouteType>{RouteType::unicast, "unicast"},
    EnumName<RouteType>{RouteType::blackhole, "blackhole"},
    EnumName<RouteType>{RouteType::unreachable, "unreachable"},
    EnumName<RouteType>{RouteType::prohibit, "prohibit"},
    EnumName<RouteType>{RouteType::throw_, "throw"},
    EnumName<RouteType>{RouteType::other, "other"},
};

bool overlap(const AddressRange& a, const AddressRange& b) {
    return a.family == b.family && a.low <= b.high && b.low <= a.high;
}

/// Whether all, none or some addresses of `range` are in `selector`.
Truth covers(const std::optional<AddressRange>& selector, const AddressRange& range) {
    return !selector || selector->contains(range) ? Truth::yes
           : overlap(*selector, range)            ? Truth::unknown
                                                  : Truth::no;
}

bool isBetter(const Network::Route& route, const Network::Route& than) {
    return route.to == than.to ? route.metric < than.metric : than.to.contains(route.to);
}

unsigned prefixLength(const AddressRange& network) {
    const unsigned bits = network.family == Family::ipv4 ? 32 : 128;
    for (unsigned length = 0; length < bits; ++length) {
        if (AddressRange::prefix({network.family, network.low}, length) == network) {
            return length;
        }
    }
    return bits;
}

Truth appliesTo(const Network::Rule& rule, const AddressRange& to, const std::optional<Address>& from,
                bool unmarked) {
    auto out = conjunction(covers(rule.to, to), rule.further ? Truth::unknown : Truth::yes);
    if (rule.from) {
        out = conjunction(out, from ? truthOf(rule.from->contains(*from)) : Truth::unknown);
    }
    if (rule.mark) {
        out = conjunction(out, unmarked ? truthOf((*rule.mark & rule.mask) == 0) : Truth::unknown);
    }
    return rule.inverted ? negate(out) : out;
}

/// Adds what a table may give. True if it certainly gives one of them.
bool lookUp(const Network& network, const Network::Rule& rule, const AddressRange& to,
            std::vector<RouteFound>& out) {
    const Network::Route* best = nullptr;
    for (const auto& route : network.routes) {
        if (route.table != rule.table || !overlap(route.to, to)) {
            continue;
        }
        if (!route.to.contains(to)) {
            out.push_back({true, route.type, route.interface, route.gateway, route.to});
        } else if (best == nullptr || isBetter(route, *best)) {
            best = &route;
        }
    }
    if (best == nullptr || best->type == RouteType::throw_ ||
        (rule.suppressed && prefixLength(best->to) <= *rule.suppressed)) {
        return false;
    }
    out.push_back({true, best->type, best->interface, best->gateway, best->to});
    return true;
}

}  // namespace

const char* routeTypeName(RouteType type) {
    return nameOf(kRouteTypes, type);
}

std::optional<RouteType> parseRouteType(std::string_view word) {
    return valueOf(kRouteTypes, word);
}

std::string RouteFound::refusal() const {
    if (!exists) {
        return "no route to the other host";
    }
    return (to ? "the route to " + to->toString() : std::string("a policy rule")) + " is of the type " +
           routeTypeName(type);
}

std::vector<RouteFound> routesTo(const Network& network, const AddressRange& to,
                                 const std::optional<Address>& from, bool unmarked) {
    std::vector<RouteFound> out;
    for (const auto& rule : network.rules) {
        if (rule.family != to.family) {
            continue;
        }
        const auto applies = appliesTo(rule, to, from, unmarked);
        if (applies == Truth::no) {
            continue;
        }
        bool ends = true;
        if (rule.type == RouteType::unicast) {
            ends = lookUp(network, rule, to, out);
        } else {
            out.push_back({true, rule.type, "", std::nullopt, std::nullopt});
        }
        if (ends && applies == Truth::yes) {
            return out;
        }
    }
    out.push_back({});
    return out;
}

bool mayBeRouted(const Host& host, const Address& to) {
    if (!host.network) {
        return true;
    }
    const auto found = routesTo(*host.network, AddressRange::of(to), std::nullopt, true);
    return std::any_of(found.begin(), found.end(), [](const auto& each) { return each.carries(); });
}

std::vector<Address> routedExamples(const Host& host, Family family) {
    std::vector<Address> out;
    for (const auto& route : host.network ? host.network->routes : std::vector<Network::Route>{}) {
        if (route.to.family != family || route.type != RouteType::unicast) {
            continue;
        }
        // An address somewhere in the middle: the first ones are those of routers and servers.
        for (const std::uint8_t last : {201, 77, 13}) {
            Address candidate{family, route.to.low};
            candidate.key[15] = static_cast<std::uint8_t>(candidate.key[15] | last);
            if (route.to.contains(candidate) && candidate.key != route.to.high &&
                std::none_of(host.interfaces.begin(), host.interfaces.end(),
                             [&](const auto& one) { return one.address == candidate; })) {
                out.push_back(candidate);
            }
        }
    }
    return out;
}

std::vector<AddressRange> routedRanges(const Host& host, Family family) {
    std::vector<AddressRange> out;
    if (!host.network) {
        return out;
    }
    const auto add = [&](const std::optional<AddressRange>& range) {
        if (range && range->family == family) {
            out.push_back(*range);
        }
    };
    for (const auto& route : host.network->routes) {
        add(route.to);
    }
    for (const auto& rule : host.network->rules) {
        add(rule.to);
    }
    for (const auto& neighbour : host.network->neighbours) {
        add(AddressRange::of(neighbour.address));
    }
    return out;
}

}  // namespace lapwing::reach
