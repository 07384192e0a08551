#include "common/reach/traversal.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/endpoint.h"

namespace lapwing::reach {

namespace {

constexpr std::uint64_t kToHost = 0;  // PACKET_HOST

/// The packets of an exchange, in their order.
const std::vector<PacketKind>& exchangeOf(Protocol protocol) {
    static const std::vector<PacketKind> tcp{PacketKind::syn,        PacketKind::syn_ack,
                                             PacketKind::ack,        PacketKind::data,
                                             PacketKind::answer_ack, PacketKind::answer_data};
    static const std::vector<PacketKind> udp{PacketKind::request, PacketKind::answer};
    static const std::vector<PacketKind> vrrp{PacketKind::advertisement};
    return protocol == Protocol::tcp ? tcp : protocol == Protocol::udp ? udp : vrrp;
}

/// Without it the exchange may come about all the same: data acknowledges too.
bool isDispensable(PacketKind kind) {
    return kind == PacketKind::ack || kind == PacketKind::answer_ack;
}

void noteAll(std::vector<std::string>& out, const std::set<std::string>& notes) {
    out.assign(notes.begin(), notes.end());
}

std::string targetText(const Route& route) {
    const auto host = route.destination ? route.destination->toString() : std::string("this host");
    return Endpoint{host, route.port}.toString();
}

}  // namespace

Route Traversal::plainRoute() const {
    return {packet_.destination, packet_.port, false, false, "", ""};
}

Route Traversal::routeTo(const Target& target) const {
    Route route{packet_.destination, target.port.value_or(packet_.port), true, false, "", ""};
    const auto& interfaces = model_.host.interfaces;
    if (target.redirects) {
        // The packet goes to the first address of the interface, which is not known where it has several.
        std::vector<Address> here;
        for (const auto& one : interfaces) {
            if (one.name == packet_.interface && one.address.family == packet_.source.family) {
                here.push_back(one.address);
            }
        }
        route.destination = here.size() == 1 ? std::optional(here[0]) : std::nullopt;
        return route;
    }
    if (!target.address) {
        return route;
    }
    route.destination = target.address;
    route.forwarded = std::none_of(interfaces.begin(), interfaces.end(),
                                   [&](const auto& one) { return one.address == *target.address; });
    for (const auto& one : interfaces) {
        if (one.address.family == target.address->family && one.prefix_length != 0 &&
            AddressRange::prefix(one.address, one.prefix_length).contains(*target.address)) {
            route.interface_out = one.name;
        }
    }
    if (route.forwarded && model_.host.network) {
        const auto to = AddressRange::of(*target.address);
        const auto found = routesTo(*model_.host.network, to, std::nullopt, unmarked());
        if (found.size() == 1) {
            route.interface_out = found[0].interface;
            route.refusal = found[0].carries() ? "" : found[0].refusal();
        }
    }
    return route;
}

/// To the point at prerouting where the kernel translates destinations.
bool Traversal::reachesNat(PacketKind kind) {
    const auto seen = view(kind, plainRoute());
    return through(Hook::ingress, seen) && through(Hook::prerouting, seen, HookPart::before_nat);
}

/// The kernel calls chains of equal priority in the order of their creation, which nft does not list.
bool Traversal::passesBeside(PacketKind kind, bool translated) {
    auto seen = view(kind, plainRoute());
    if (translated) {
        seen.destination = seen.destination_port = seen.destination_type = seen.destination_type_here = {};
    }
    return through(Hook::prerouting, seen, HookPart::beside_nat);
}

/// From there to a program of this host, or on to another host.
bool Traversal::deliver(PacketKind kind, const Route& route) {
    auto seen = view(kind, route);
    if (!through(Hook::prerouting, seen, HookPart::after_nat)) {
        return false;
    }
    if (!route.forwarded) {
        return through(Hook::input, seen);
    }
    seen.interface_out = interfaceValue(route.interface_out);
    seen.hops = oneHopLess(seen.hops);
    if (!through(Hook::forward, seen)) {
        return false;
    }
    seen.interface_in = {};
    return through(Hook::postrouting, seen) && through(Hook::egress, seen);
}

/// A packet of this host.
bool Traversal::leaveHost(PacketView seen, const Route& route) {
    if (!through(Hook::output, seen)) {
        return false;
    }
    if (route.translated) {
        // On the way back, the kernel undoes the translation.
        seen.source = seen.source_port = {};
    }
    return through(Hook::postrouting, seen) && through(Hook::egress, seen);
}

/// An answer to the host that began the exchange.
bool Traversal::comeBack(PacketKind kind, const Route& route) {
    auto seen = view(kind, route);
    if (!route.forwarded) {
        return leaveHost(seen, route);
    }
    seen.interface_in = interfaceValue(route.interface_out);
    seen.interface_out = noInterface();
    seen.packet_type = number(kToHost);
    seen.hops = route.destination ? hopsOf(false, AddressRange::of(*route.destination)) : FieldValue{};
    // Where the source was translated too, the answer comes to this host's address.
    const auto destination = std::exchange(seen.destination, {});
    const auto port = std::exchange(seen.destination_port, {});
    if (!through(Hook::ingress, seen) || !through(Hook::prerouting, seen)) {
        return false;
    }
    seen.destination = destination;
    seen.destination_port = port;
    seen.interface_out = interfaceValue(reply_interface_);
    seen.hops = oneHopLess(seen.hops);
    if (!through(Hook::forward, seen)) {
        return false;
    }
    seen.interface_in = {};
    seen.source = seen.source_port = {};
    return through(Hook::postrouting, seen) && through(Hook::egress, seen);
}

/// Where conntrack has not followed the packets before, this one begins a connection: chains of type nat see
/// it.
bool Traversal::mayTranslateLate(PacketKind kind) const {
    if (walk_.connection().hasBegun() || walk_.packet().tracked == Truth::no) {
        return false;
    }
    if (isReply(kind) != packet_.outgoing) {
        return walk_.packet().source_translated;
    }
    const auto seen = view(kind, plainRoute());
    return std::any_of(model_.tables.begin(), model_.tables.end(), [&](const Table& table) {
        return passes(table, seen) &&
               std::any_of(table.base_chains.begin(), table.base_chains.end(), [&](const auto& name) {
                   const auto& chain = table.chains.at(name);
                   return chain.type == ChainType::nat && chain.hook == Hook::prerouting &&
                          !chain.rules.empty();
               });
    });
}

/// One packet of the exchange, after the first.
bool Traversal::cross(PacketKind kind, const Route& route) {
    walk_.beginPacket();
    if (packet_.outgoing) {
        return isReply(kind) ? reachesNat(kind) && passesBeside(kind, false) && deliver(kind, route)
                             : leaveHost(view(kind, route), route);
    }
    const bool passes =
        isReply(kind) ? comeBack(kind, route)
                      : reachesNat(kind) && passesBeside(kind, route.translated) && deliver(kind, route);
    if (passes && mayTranslateLate(kind)) {
        notes_.unknowns.insert(
            "whether the kernel translates a packet of a connection that conntrack has not followed");
        outcome_.may_drop = true;
        outcome_.may_fail = outcome_.may_fail.value_or(kind);
    }
    if (passes && route.translated && walk_.packet().tracked != Truth::yes) {
        notes_.unknowns.insert("whether the kernel translates a packet that conntrack may not follow");
        outcome_.may_drop = true;
        outcome_.may_fail = outcome_.may_fail.value_or(kind);
    }
    return passes;
}

void Traversal::arrive() {
    const auto first = exchangeOf(packet_.protocol).front();
    walk_.beginPacket();
    if (!reachesNat(first)) {
        return;
    }
    // After a chain of type nat has changed the destination, the kernel calls no further one.
    ChainOutcome translations;
    translations.may = kAccept;
    bool open = true;
    const auto plain = view(first, plainRoute());
    pass(chainsAt(Hook::prerouting, HookPart::nat, plain), plain, open, &translations);
    if (walk_.packet().tracked == Truth::unknown) {
        // Chains of type nat do not see a packet that conntrack does not follow.
        open = true;
        translations.may |= kAccept;
    }
    if (!open && translations.targets.empty()) {
        return;
    }
    if (!passesBeside(first, !translations.targets.empty())) {
        return;
    }
    const auto packet = walk_.packet();
    const auto connection = walk_.connection();
    if (open && (translations.may & kAccept) != 0) {
        go(plainRoute());
    }
    for (const auto& target : translations.targets) {
        walk_.resume(packet, connection);
        follow(target);
    }
}

void Traversal::follow(const Target& target) {
    const bool elsewhere = target.address && target.address->family != packet_.source.family;
    if (target.unknown || elsewhere || (target.address && target.address->isLoopback()) ||
        (target.address && model_.host.interfaces.empty())) {
        notes_.unknowns.insert(
            "what becomes of a packet that is sent " +
            (target.address ? "to " + target.address->toString() : std::string("elsewhere")));
        ++outcome_.ways;
        outcome_.may_reach = outcome_.may_drop = true;
        return;
    }
    go(routeTo(target));
}

void Traversal::go(const Route& route) {
    const auto first = exchangeOf(packet_.protocol).front();
    ++outcome_.ways;
    if (route.translated) {
        outcome_.translated_to.insert(targetText(route));
    }
    if (!route.refusal.empty()) {
        outcome_.may_drop = true;
        outcome_.dropped_by.insert(route.refusal);
        return;
    }
    if (route.forwarded) {
        outcome_.forwarded = true;
        outcome_.forwarded_to.push_back(route);
        const auto forwards =
            packet_.source.family == Family::ipv4 ? model_.host.forwards_ipv4 : model_.host.forwards_ipv6;
        if (forwards == false) {
            outcome_.may_drop = true;
            outcome_.dropped_by.insert("this host does not forward");
            return;
        }
        if (!forwards) {
            notes_.unknowns.insert("whether this host forwards");
            outcome_.may_drop = true;
        }
    }
    if (deliver(first, route)) {
        answerAll(route);
    }
}

/// The packets after the first.
void Traversal::answerAll(const Route& route) {
    std::vector<Crossed> crossed;
    const auto& exchange = exchangeOf(packet_.protocol);
    for (auto kind = std::next(exchange.begin()); kind != exchange.end(); ++kind) {
        const auto& before = walk_.connection();
        const auto like = std::find_if(crossed.begin(), crossed.end(), [&](const Crossed& earlier) {
            return isReply(earlier.kind) == isReply(*kind) && earlier.before == before;
        });
        bool passes = false;
        if (like != crossed.end()) {
            passes = like->passes;
        } else {
            Crossed fresh{*kind, before, false};
            walk_.forgetReading();
            passes = fresh.passes = cross(*kind, route);
            if (!walk_.hasReadKind()) {
                crossed.push_back(std::move(fresh));
            }
        }
        if (passes) {
            continue;
        }
        outcome_.fails = outcome_.fails.value_or(*kind);
        outcome_.may_drop = true;
        if (!isDispensable(*kind)) {
            return;
        }
    }
    outcome_.may_reach = true;
}

/// Whether the refusal that a reject rule sends certainly gets out.
bool Traversal::refusalPasses() {
    const auto kept = outcome_;
    const auto notes = notes_;
    outcome_ = {};
    walk_.beginPacket();
    auto seen =
        view(packet_.protocol == Protocol::tcp ? PacketKind::syn_ack : PacketKind::answer, plainRoute());
    seen.refusal = true;
    const bool passes = leaveHost(seen, plainRoute()) && !outcome_.blocks() && senderIsReachable();
    outcome_ = kept;
    notes_ = notes;
    return passes;
}

Result Traversal::run() {
    if (!packet_.outgoing) {
        arrive();
    } else {
        const auto first = exchangeOf(packet_.protocol).front();
        walk_.beginPacket();
        outcome_.ways = 1;
        if (leaveHost(view(first, plainRoute()), plainRoute())) {
            answerAll(plainRoute());
        }
    }
    if (outcome_.may_reach && !notes_.anything) {
        applyRoutes();
    }
    if (outcome_.may_reach && !notes_.anything) {
        applyDiscovery();
    }
    if (outcome_.may_reach || !outcome_.dropped_by.empty()) {
        noteLinks();
    }
    if (notes_.anything) {
        outcome_.may_reach = outcome_.may_drop = true;
    }
    return result();
}

Result Traversal::result() {
    const bool certain = model_.unknowns.empty();
    Result result;
    if (!outcome_.may_reach && !model_.translates) {
        result.verdict = Verdict::must_block;
        result.rejected =
            certain && outcome_.may_reject && !outcome_.may_drop && (packet_.outgoing || refusalPasses());
        noteAll(result.decided_by, outcome_.dropped_by);
        result.failing_packet = outcome_.fails ? outcome_.fails : outcome_.may_fail;
    } else {
        result.verdict =
            certain && !outcome_.blocks() && outcome_.may_reach ? Verdict::must_reach : Verdict::may;
        if (outcome_.blocks()) {
            result.failing_packet = outcome_.fails ? outcome_.fails : outcome_.may_fail;
            outcome_.accepted_by.merge(outcome_.dropped_by);
        }
        noteAll(result.decided_by, outcome_.accepted_by);
        if (outcome_.path.empty()) {
            result.decided_by.emplace_back(packet_.outgoing ? "no chain at the output hook"
                                                            : "no chain at the input hook");
        }
        notes_.unknowns.insert(model_.unknowns.begin(), model_.unknowns.end());
        noteAll(result.unknowns, notes_.unknowns);
    }
    noteAll(result.assumptions, notes_.assumptions);
    result.path = std::move(outcome_.path);
    for (const auto& target : outcome_.translated_to) {
        result.translated_to += (result.translated_to.empty() ? "" : " or ") + target;
    }
    result.forwarded = outcome_.forwarded;
    return result;
}

}  // namespace lapwing::reach
