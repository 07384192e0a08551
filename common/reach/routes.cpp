// What the kernel's routes and the links of the host do to an exchange.
#include <algorithm>

#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

constexpr int kStrict = 1;
constexpr int kLoose = 2;

/// yes or no where every route says so.
Truth all(const std::vector<RouteFound>& found, const auto& wanted) {
    const auto count = std::count_if(found.begin(), found.end(), wanted);
    return count == 0                                           ? Truth::no
           : count == static_cast<std::ptrdiff_t>(found.size()) ? Truth::yes
                                                                : Truth::unknown;
}

bool isUnknown(const RouteFound& found) {
    return found.exists && found.type == RouteType::other;
}

Truth carries(const std::vector<RouteFound>& found) {
    return std::any_of(found.begin(), found.end(), isUnknown)
               ? Truth::unknown
               : all(found, [](const auto& each) { return each.carries(); });
}

}  // namespace

/// Routes do not depend on marks: no rule sets one.
bool Traversal::unmarked() const {
    return std::none_of(model_.tables.begin(), model_.tables.end(),
                        [](const Table& table) { return table.sets_marks && !table.dormant; });
}

/// The routes to the other end.
std::vector<RouteFound> Traversal::routesToSender() const {
    if (packet_.outgoing) {
        return routesTo(*model_.host.network, AddressRange::of(packet_.destination), std::nullopt,
                        unmarked());
    }
    if (!outcome_.forwarded) {
        return routesTo(*model_.host.network, packet_.source, packet_.destination, unmarked());
    }
    // The kernel routes the answer of another host before it undoes the translation.
    const auto& to = outcome_.forwarded_to;
    return routesTo(*model_.host.network, packet_.source,
                    outcome_.ways == 1 && to.size() == 1 ? to[0].destination : std::nullopt, unmarked());
}

/// As `fib saddr . iif oif` gives it.
FieldValue Traversal::sourceRoute() const {
    if (!model_.host.network || packet_.interface.empty()) {
        return packet_.interface.empty() ? FieldValue{} : number(1);
    }
    const auto back = all(routesToSender(), [&](const auto& each) {
        return each.carries() && each.interface == packet_.interface;
    });
    return back == Truth::unknown ? FieldValue{} : number(back == Truth::yes ? 1 : 0);
}

std::string Traversal::replyInterface() const {
    if (!model_.host.network || packet_.outgoing || packet_.interface.empty()) {
        return packet_.interface;
    }
    const auto found = routesToSender();
    // A link-local address is on the link by which its packets come in.
    const bool of_link = Address{packet_.source.family, packet_.source.low}.isLinkLocal();
    const bool same = std::all_of(found.begin(), found.end(), [&](const auto& each) {
        return !each.carries() || each.interface == packet_.interface || of_link;
    });
    return same ? packet_.interface : found.size() == 1 ? found[0].interface : "";
}

/// Whether a refusal of this host certainly arrives.
bool Traversal::senderIsReachable() {
    outcome_ = {};
    outcome_.may_reach = true;
    outcome_.ways = 1;
    applyRoutes();
    if (outcome_.may_reach) {
        applyDiscovery();
    }
    return outcome_.may_reach && !outcome_.may_drop;
}

/// Of IPv4: strict wants the source to be routed back by the incoming interface, loose by any.
Truth Traversal::reverseFilterPasses(const std::vector<RouteFound>& found) const {
    const auto& filters = model_.host.network->rp_filter;
    const auto filter = filters.find(packet_.interface);
    if (packet_.source.family != Family::ipv4 || packet_.outgoing) {
        return Truth::yes;
    }
    if (packet_.interface.empty() || filter == filters.end()) {
        const bool any =
            std::any_of(filters.begin(), filters.end(), [](const auto& each) { return each.second != 0; });
        return any ? Truth::unknown : Truth::yes;
    }
    if (filter->second == kLoose) {
        return carries(found);
    }
    if (filter->second != kStrict) {
        return Truth::yes;
    }
    const auto by = all(found, [&](const auto& each) {
        return each.carries() && (each.interface == packet_.interface || each.interface.empty());
    });
    const bool several =
        std::any_of(found.begin(), found.end(), [](const auto& each) { return each.interface.empty(); });
    return by == Truth::yes && several && carries(found) == Truth::yes ? Truth::unknown : by;
}

void Traversal::noteRoute(Truth passes, const std::string& reason, PacketKind packet) {
    if (passes == Truth::no) {
        outcome_.may_reach = outcome_.may_reject = false;
        outcome_.may_drop = true;
        outcome_.dropped_by = {reason};
        outcome_.fails = packet;
    } else if (passes == Truth::unknown) {
        outcome_.may_drop = true;
        outcome_.may_fail = outcome_.may_fail.value_or(packet);
        notes_.unknowns.insert("for some packets: " + reason);
    }
}

/// Whether the kernel accepts the source, and finds a way to the other end.
void Traversal::applyRoutes() {
    if (!model_.host.network || packet_.destination.isLoopback()) {
        return;
    }
    const auto found = routesToSender();
    const bool tcp = packet_.protocol == Protocol::tcp;
    const auto first = tcp                                 ? PacketKind::syn
                       : packet_.protocol == Protocol::udp ? PacketKind::request
                                                           : PacketKind::advertisement;
    const auto second = packet_.outgoing ? first : tcp ? PacketKind::syn_ack : PacketKind::answer;
    noteRoute(reverseFilterPasses(found),
              "rp_filter of " + packet_.interface + ": the source is not routed back by that interface",
              first);
    const bool group = packet_.destination == vrrpGroup(packet_.destination.family);
    if (outcome_.may_reach && !group && (packet_.outgoing || packet_.protocol != Protocol::vrrp)) {
        const auto refused =
            std::find_if(found.begin(), found.end(), [](const auto& each) { return !each.carries(); });
        noteRoute(carries(found), refused == found.end() ? "" : refused->refusal(), second);
        if (outcome_.may_reach && reply_interface_ != packet_.interface) {
            noteRoute(Truth::unknown, "answers leave by another interface, " + reply_interface_, second);
        }
    }
}

/// Programs and rules beside those that are listed.
void Traversal::noteLinks() {
    const auto& network = model_.host.network;
    const auto restricts = [](const Table& table) {
        return table.family == TableFamily::bridge && !table.dormant &&
               std::any_of(table.base_chains.begin(), table.base_chains.end(), [&](const auto& name) {
                   const auto& chain = table.chains.at(name);
                   return !chain.rules.empty() || chain.dropsByDefault();
               });
    };
    const bool bridges = std::any_of(model_.tables.begin(), model_.tables.end(), restricts);
    const auto doubt = [&](const std::string& what) {
        notes_.unknowns.insert(what);
        notes_.anything = true;
    };
    const auto look = [&](const std::string& name) {
        if (!network) {
            if (bridges) {
                doubt("rules of the family bridge, and whether " + (name.empty() ? "the interface" : name) +
                      " is a bridge");
            }
            return;
        }
        for (const auto& link : network->links) {
            const bool below = link.name == name || link.master == name;
            if (below && link.xdp) {
                doubt("an XDP program at " + link.name);
            }
            if (below && link.tc) {
                doubt("filters of tc at " + link.name);
            }
            if (link.name == name && link.kind == "bridge" && bridges) {
                doubt("rules of the family bridge at " + name);
            }
        }
    };
    look(packet_.interface);
    for (const auto& route : outcome_.forwarded_to) {
        look(route.interface_out);
    }
}

}  // namespace lapwing::reach
