#include "common/reach/traversal.h"

#include <algorithm>
#include <utility>

#include "common/endpoint.h"

namespace lapwing::reach {

namespace {

constexpr std::uint64_t kFirstSourcePort = 1024;
constexpr std::uint64_t kLastPort = 65535;
constexpr std::uint64_t kUnicast = 1;  // RTN_*
constexpr std::uint64_t kLocal = 2;
constexpr std::uint64_t kMulticast = 5;
constexpr std::uint64_t kToHost = 0;  // PACKET_*
constexpr std::uint64_t kToGroup = 2;

void noteAll(std::vector<std::string>& out, const std::set<std::string>& notes) {
    out.assign(notes.begin(), notes.end());
}

std::string targetText(const Route& route) {
    const auto host = route.destination ? route.destination->toString() : std::string("this host");
    return Endpoint{host, route.port}.toString();
}

}  // namespace

PacketView Traversal::view(bool answer, const Route& route) const {
    PacketView out;
    out.family = packet_.source.family;
    out.protocol = packet_.protocol;
    out.answer = answer;
    out.translated = route.translated;
    out.source = addressValue(packet_.source);
    out.destination = route.destination ? addressValue(AddressRange::of(*route.destination)) : FieldValue{};
    out.source_port = between(kFirstSourcePort, kLastPort);
    out.destination_port = number(route.port);
    out.interface_in = interfaceValue(packet_.interface);
    out.interface_out = noInterface();
    const bool group = packet_.destination == vrrpGroup(packet_.destination.family);
    out.destination_type = number(group ? kMulticast : route.forwarded ? kUnicast : kLocal);
    out.packet_type = number(group ? kToGroup : kToHost);
    if (packet_.protocol == Protocol::vrrp) {
        // A rule that reads ports without matching the protocol reads other bytes of the packet.
        out.source_port = out.destination_port = {};
    }
    if (answer) {
        std::swap(out.source, out.destination);
        std::swap(out.source_port, out.destination_port);
        out.destination_type = {};
        out.packet_type = {};
    }
    return out;
}

Route Traversal::routeTo(const Target& target) const {
    Route route{packet_.destination, target.port.value_or(packet_.port), true, false, ""};
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
    return route;
}

void Traversal::arrive() {
    const Route plain{packet_.destination, packet_.port, false, false, ""};
    if (!through(Hook::ingress, view(false, plain)) ||
        !through(Hook::prerouting, view(false, plain), HookPart::before_nat)) {
        return;
    }
    // After a chain of type nat has changed the destination, the kernel calls no further one.
    ChainOutcome translations;
    translations.may = kAccept;
    bool open = true;
    pass(chainsAt(Hook::prerouting, HookPart::nat, false), view(false, plain), open, &translations);
    if (!open && translations.targets.empty()) {
        return;
    }
    // The kernel calls chains of equal priority in the order of their creation, which nft does not list.
    auto beside = view(false, plain);
    if (!translations.targets.empty()) {
        beside.destination = beside.destination_port = beside.destination_type = {};
    }
    if (!through(Hook::prerouting, beside, HookPart::beside_nat)) {
        return;
    }
    if (open && (translations.may & kAccept) != 0) {
        go(plain);
    }
    for (const auto& target : translations.targets) {
        const bool elsewhere = target.address && target.address->family != packet_.source.family;
        if (target.unknown || elsewhere || (target.address && target.address->isLoopback()) ||
            (target.address && model_.host.interfaces.empty())) {
            notes_.unknowns.insert(
                "what becomes of a packet that is sent " +
                (target.address ? "to " + target.address->toString() : std::string("elsewhere")));
            outcome_.may_reach = outcome_.may_drop = true;
        } else {
            go(routeTo(target));
        }
    }
}

void Traversal::go(const Route& route) {
    if (route.translated) {
        outcome_.translated_to.insert(targetText(route));
    }
    auto seen = view(false, route);
    if (!through(Hook::prerouting, seen, HookPart::after_nat)) {
        return;
    }
    if (!route.forwarded) {
        if (!through(Hook::input, seen)) {
            return;
        }
    } else {
        outcome_.forwarded = true;
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
        seen.interface_out = interfaceValue(route.interface_out);
        if (!through(Hook::forward, seen)) {
            return;
        }
        seen.interface_in = {};
        if (!through(Hook::postrouting, seen)) {
            return;
        }
    }
    if (packet_.protocol != Protocol::tcp || answers(route)) {
        outcome_.may_reach = true;
    }
}

/// Whether the second packet of TCP's handshake gets back.
bool Traversal::answers(const Route& route) {
    const auto rejects = outcome_.may_reject;
    auto seen = view(true, route);
    bool open = true;
    if (route.forwarded) {
        seen.interface_in = interfaceValue(route.interface_out);
        seen.interface_out = noInterface();
        // Where the source was translated too, the answer comes to this host's address.
        seen.destination = {};
        open = through(Hook::prerouting, seen);
        seen.destination = addressValue(packet_.source);
        seen.interface_out = interfaceValue(packet_.interface);
        open = open && through(Hook::forward, seen);
    } else {
        seen.interface_in = noInterface();
        seen.interface_out = interfaceValue(packet_.interface);
        open = through(Hook::output, seen);
    }
    if (open) {
        seen.interface_in = route.forwarded ? FieldValue{} : noInterface();
        if (route.translated) {
            // On the way back, the kernel undoes the translation.
            seen.source = seen.source_port = {};
        }
        open = through(Hook::postrouting, seen) && through(Hook::egress, seen);
    }
    // An answer that is rejected here is silence for the sender.
    if (outcome_.may_reject && !rejects) {
        outcome_.may_reject = false;
        outcome_.may_drop = true;
    }
    return open;
}

/// Whether the refusal that a reject rule sends certainly gets out.
bool Traversal::refusalPasses() {
    const auto kept = outcome_;
    const auto notes = notes_;
    outcome_ = {};
    auto seen = view(true, {packet_.destination, packet_.port, false, false, ""});
    seen.refusal = true;
    seen.interface_in = noInterface();
    seen.interface_out = interfaceValue(packet_.interface);
    const bool passes = through(Hook::output, seen) && through(Hook::postrouting, seen) &&
                        through(Hook::egress, seen) && !outcome_.blocks();
    outcome_ = kept;
    notes_ = notes;
    return passes;
}

void Traversal::leave() {
    const Route route{packet_.destination, packet_.port, false, false, ""};
    auto seen = view(false, route);
    seen.interface_in = noInterface();
    seen.interface_out = interfaceValue(packet_.interface);
    seen.destination_type = {};
    seen.packet_type = {};
    if (!through(Hook::output, seen) || !through(Hook::postrouting, seen) || !through(Hook::egress, seen)) {
        return;
    }
    if (packet_.protocol == Protocol::tcp) {
        auto back = view(true, route);
        back.interface_in = interfaceValue(packet_.interface);
        back.interface_out = noInterface();
        if (!through(Hook::ingress, back) || !through(Hook::prerouting, back) ||
            !through(Hook::input, back)) {
            return;
        }
    }
    outcome_.may_reach = true;
}

Result Traversal::run() {
    packet_.outgoing ? leave() : arrive();
    const bool certain = model_.unknowns.empty();
    Result result;
    if (!outcome_.may_reach && !model_.translates) {
        result.verdict = Verdict::must_block;
        result.rejected =
            certain && outcome_.may_reject && !outcome_.may_drop && (packet_.outgoing || refusalPasses());
        noteAll(result.decided_by, outcome_.dropped_by);
    } else {
        result.verdict =
            certain && !outcome_.blocks() && outcome_.may_reach ? Verdict::must_reach : Verdict::may;
        if (outcome_.blocks()) {
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
