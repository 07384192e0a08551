#include <algorithm>

#include "common/reach/walk.h"

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

/// Where a packet goes after the rules have seen it at prerouting.
struct Way {
    std::optional<Address> destination;  ///< nothing: an address of this host, not known which
    std::uint16_t port = 0;
    bool translated = false;
    bool forwarded = false;
    std::string interface_out;  ///< of what is forwarded; "" if not known
};

/// What one packet may come to.
struct Fate {
    bool may_reach = false;
    bool may_drop = false;
    bool may_reject = false;
    std::set<std::string> accepted_by;
    std::set<std::string> dropped_by;
    std::vector<Step> path;
    std::set<std::string> translated_to;
    bool forwarded = false;

    bool blocks() const { return may_drop || may_reject; }
};

std::string targetText(const Way& way) {
    const auto host = way.destination ? way.destination->toString() : std::string("this host");
    const bool v6 = way.destination && way.destination->family == Family::ipv6;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(way.port);
}

std::string outcomeText(const Outcome& out) {
    std::vector<const char*> ways;
    const auto add = [&](unsigned bit, const char* way) {
        if ((out.may & bit) != 0) {
            ways.push_back(way);
        }
    };
    add(kAccept, "accepts");
    add(kTranslate, "sends it elsewhere");
    add(kDrop, "drops");
    add(kReject, "rejects");
    std::string text;
    for (const auto* way : ways) {
        text += (text.empty() ? "" : " or ") + std::string(way);
    }
    return text;
}

bool looksAt(const Chain& chain, const std::string& interface) {
    return chain.devices.empty() || interface.empty() ||
           std::find(chain.devices.begin(), chain.devices.end(), interface) != chain.devices.end();
}

/// The kernel calls every chain of type nat of one hook at the same point, whatever its priority.
int pointOf(const Chain& chain) {
    if (chain.type != "nat") {
        return chain.priority;
    }
    return chain.hook == "prerouting" || chain.hook == "output" ? kDestinationNatPriority
                                                                : kSourceNatPriority;
}

class Journey {
  public:
    Journey(const Ruleset::Model& model, const Packet& packet)
        : model_(model), packet_(packet), walk_(model, notes_) {}

    Result run();

  private:
    struct Stop {
        const Table* table;
        const Chain* chain;
        std::string name;
    };
    enum class Passage { whole, before_nat, nat, beside_nat, after_nat };

    bool passes(const Table& table) const {
        return !table.dormant && (table.family == "inet" || table.family == "netdev" ||
                                  table.family == (packet_.source.family == Family::ipv4 ? "ip" : "ip6"));
    }
    std::vector<Stop> stopsAt(const std::string& hook, Passage passage, bool answer) const;
    View view(bool answer, const Way& way) const;
    void pass(const std::vector<Stop>& stops, const View& view, bool& open, Outcome* translations);
    bool through(const std::string& hook, const View& view, Passage passage = Passage::whole) {
        bool open = true;
        pass(stopsAt(hook, passage, view.answer), view, open, nullptr);
        return open;
    }
    void addOthers(const std::vector<Stop>& stops, std::vector<Stop>::const_iterator at, const View& view,
                   Outcome* translations);
    void note(const Stop& stop, const Outcome& out, bool answer);
    Way wayTo(const Target& target) const;
    void arrive();
    void go(const Way& way);
    bool answers(const Way& way);
    bool refusalPasses();
    void leave();

    const Ruleset::Model& model_;
    const Packet& packet_;
    Notes notes_;
    Walk walk_;
    Fate fate_;
};

std::vector<Journey::Stop> Journey::stopsAt(const std::string& hook, Passage passage, bool answer) const {
    std::vector<Stop> stops;
    for (const auto& table : model_.tables) {
        if (!passes(table)) {
            continue;
        }
        for (const auto& name : table.base_chains) {
            const auto& chain = table.chains.at(name);
            const bool nat = chain.type == "nat";
            const auto point = pointOf(chain);
            const bool here = passage == Passage::nat          ? nat
                              : passage == Passage::before_nat ? !nat && point < kDestinationNatPriority
                              : passage == Passage::beside_nat ? !nat && point == kDestinationNatPriority
                              : passage == Passage::after_nat  ? !nat && point > kDestinationNatPriority
                                                               : true;
            // Chains of type nat see a connection's first packet only.
            if (chain.hook == hook && here && !(nat && answer) && looksAt(chain, packet_.interface)) {
                stops.push_back({&table, &chain, name});
            }
        }
    }
    std::stable_sort(stops.begin(), stops.end(), [](const Stop& a, const Stop& b) {
        return std::pair(pointOf(*a.chain), a.chain->priority) <
               std::pair(pointOf(*b.chain), b.chain->priority);
    });
    return stops;
}

void Journey::note(const Stop& stop, const Outcome& out, bool answer) {
    Step step;
    step.chain = stop.chain->place;
    step.hook = stop.chain->hook;
    step.priority = stop.chain->priority;
    step.answer = answer;
    step.outcome = outcomeText(out);
    std::set<std::string> rules = out.translated_by;
    if ((out.may & kAccept) != 0) {
        rules.insert(out.accepted_by.begin(), out.accepted_by.end());
    }
    if ((out.may & (kDrop | kReject)) != 0) {
        rules.insert(out.dropped_by.begin(), out.dropped_by.end());
    }
    step.rules.assign(rules.begin(), rules.end());
    fate_.path.push_back(std::move(step));
}

/// Which of the chains with one priority comes first is not listed: what those say that would come after the
/// last word of `at` is possible as well.
void Journey::addOthers(const std::vector<Stop>& stops, std::vector<Stop>::const_iterator at,
                        const View& view, Outcome* translations) {
    const auto priority = at->chain->priority;
    for (++at; at != stops.end() && at->chain->priority == priority; ++at) {
        const auto other = walk_.base(*at->table, *at->chain, at->name, view);
        note(*at, other, view.answer);
        fate_.may_drop = fate_.may_drop || (other.may & kDrop) != 0;
        fate_.may_reject = fate_.may_reject || (other.may & kReject) != 0;
        if (translations != nullptr) {
            translations->targets.insert(translations->targets.end(), other.targets.begin(),
                                         other.targets.end());
            fate_.accepted_by.insert(other.translated_by.begin(), other.translated_by.end());
        }
    }
}

/// One chain after the other. `open` becomes false where no packet gets through.
void Journey::pass(const std::vector<Stop>& stops, const View& view, bool& open, Outcome* translations) {
    for (auto at = stops.begin(); at != stops.end(); ++at) {
        const auto& stop = *at;
        auto out = walk_.base(*stop.table, *stop.chain, stop.name, view);
        note(stop, out, view.answer);
        const bool translated = (out.may & kTranslate) != 0;
        if (translated && translations == nullptr) {
            // Elsewhere than where the kernel translates destinations: a change of a header.
            out.may = (out.may & ~kTranslate) | kAccept | kDrop;
            out.dropped_by.insert(out.translated_by.begin(), out.translated_by.end());
        }
        if ((out.may & (kDrop | kReject)) != 0) {
            fate_.may_drop = fate_.may_drop || (out.may & kDrop) != 0;
            fate_.may_reject = fate_.may_reject || (out.may & kReject) != 0;
            fate_.dropped_by.insert(out.dropped_by.begin(), out.dropped_by.end());
        }
        if ((out.may & (kAccept | kTranslate)) == 0) {
            open = false;
            addOthers(stops, at, view, translations);
            return;
        }
        fate_.accepted_by.insert(out.accepted_by.begin(), out.accepted_by.end());
        if (translated && translations != nullptr) {
            fate_.accepted_by.insert(out.translated_by.begin(), out.translated_by.end());
            translations->targets.insert(translations->targets.end(), out.targets.begin(), out.targets.end());
            translations->may |= kTranslate;
            if ((out.may & kAccept) == 0) {
                translations->may &= ~kAccept;
                addOthers(stops, at, view, translations);
                return;
            }
        }
    }
}

View Journey::view(bool answer, const Way& way) const {
    View out;
    out.family = packet_.source.family;
    out.protocol = packet_.protocol;
    out.answer = answer;
    out.translated = way.translated;
    out.source = addressValue(packet_.source);
    out.destination = way.destination ? addressValue(AddressRange::of(*way.destination)) : FieldValue{};
    out.source_port = between(kFirstSourcePort, kLastPort);
    out.destination_port = number(way.port);
    out.interface_in = interfaceValue(packet_.interface);
    out.interface_out = noInterface();
    const bool group = packet_.destination == vrrpGroup(packet_.destination.family);
    out.destination_type = number(group ? kMulticast : way.forwarded ? kUnicast : kLocal);
    out.packet_type = number(group ? kToGroup : kToHost);
    if (packet_.protocol == Protocol::vrrp) {
        // A rule that reads a port without asking for the protocol reads the bytes that stand there.
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

/// Where a translation sends it.
Way Journey::wayTo(const Target& target) const {
    Way way{packet_.destination, target.port.value_or(packet_.port), true, false, ""};
    const auto& interfaces = model_.host.interfaces;
    if (target.redirects) {
        // To the first address of the interface: which of several that is, the order of the list does not
        // tell.
        std::vector<Address> here;
        for (const auto& one : interfaces) {
            if (one.name == packet_.interface && one.address.family == packet_.source.family) {
                here.push_back(one.address);
            }
        }
        way.destination = here.size() == 1 ? std::optional(here[0]) : std::nullopt;
        return way;
    }
    if (!target.address) {
        return way;
    }
    way.destination = target.address;
    way.forwarded = std::none_of(interfaces.begin(), interfaces.end(),
                                 [&](const auto& one) { return one.address == *target.address; });
    for (const auto& one : interfaces) {
        if (one.address.family == target.address->family && one.prefix_length != 0 &&
            AddressRange::prefix(one.address, one.prefix_length).contains(*target.address)) {
            way.interface_out = one.name;
        }
    }
    return way;
}

void Journey::arrive() {
    const Way plain{packet_.destination, packet_.port, false, false, ""};
    if (!through("ingress", view(false, plain)) ||
        !through("prerouting", view(false, plain), Passage::before_nat)) {
        return;
    }
    // Once the destination was changed, the chains of type nat that follow are not asked.
    Outcome translations;
    translations.may = kAccept;
    bool open = true;
    pass(stopsAt("prerouting", Passage::nat, false), view(false, plain), open, &translations);
    if (!open && translations.targets.empty()) {
        return;
    }
    // The kernel calls chains of the same priority in the order in which they were made, which is not listed.
    auto beside = view(false, plain);
    if (!translations.targets.empty()) {
        beside.destination = beside.destination_port = beside.destination_type = {};
    }
    if (!through("prerouting", beside, Passage::beside_nat)) {
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
            fate_.may_reach = fate_.may_drop = true;
        } else {
            go(wayTo(target));
        }
    }
}

void Journey::go(const Way& way) {
    if (way.translated) {
        fate_.translated_to.insert(targetText(way));
    }
    auto seen = view(false, way);
    if (!through("prerouting", seen, Passage::after_nat)) {
        return;
    }
    if (!way.forwarded) {
        if (!through("input", seen)) {
            return;
        }
    } else {
        fate_.forwarded = true;
        const auto forwards =
            packet_.source.family == Family::ipv4 ? model_.host.forwards_ipv4 : model_.host.forwards_ipv6;
        if (forwards == false) {
            fate_.may_drop = true;
            fate_.dropped_by.insert("this host does not forward");
            return;
        }
        if (!forwards) {
            notes_.unknowns.insert("whether this host forwards");
            fate_.may_drop = true;
        }
        seen.interface_out = interfaceValue(way.interface_out);
        if (!through("forward", seen)) {
            return;
        }
        seen.interface_in = {};
        if (!through("postrouting", seen)) {
            return;
        }
    }
    if (packet_.protocol != Protocol::tcp || answers(way)) {
        fate_.may_reach = true;
    }
}

/// The second packet of TCP's handshake on its way back.
bool Journey::answers(const Way& way) {
    const auto rejects = fate_.may_reject;
    auto seen = view(true, way);
    bool open = true;
    if (way.forwarded) {
        seen.interface_in = interfaceValue(way.interface_out);
        seen.interface_out = noInterface();
        // Where the source was changed too, the answer comes to this host.
        seen.destination = {};
        open = through("prerouting", seen);
        seen.destination = addressValue(packet_.source);
        seen.interface_out = interfaceValue(packet_.interface);
        open = open && through("forward", seen);
    } else {
        seen.interface_in = noInterface();
        seen.interface_out = interfaceValue(packet_.interface);
        open = through("output", seen);
    }
    if (open) {
        seen.interface_in = way.forwarded ? FieldValue{} : noInterface();
        if (way.translated) {
            // The change is undone on the way.
            seen.source = seen.source_port = {};
        }
        open = through("postrouting", seen) && through("egress", seen);
    }
    // To the sender an answer that was rejected here is silence.
    if (fate_.may_reject && !rejects) {
        fate_.may_reject = false;
        fate_.may_drop = true;
    }
    return open;
}

/// Whether what a reject rule sends gets out for certain.
bool Journey::refusalPasses() {
    const auto kept = fate_;
    const auto notes = notes_;
    fate_ = {};
    auto seen = view(true, {packet_.destination, packet_.port, false, false, ""});
    seen.refusal = true;
    seen.interface_in = noInterface();
    seen.interface_out = interfaceValue(packet_.interface);
    const bool passes =
        through("output", seen) && through("postrouting", seen) && through("egress", seen) && !fate_.blocks();
    fate_ = kept;
    notes_ = notes;
    return passes;
}

void Journey::leave() {
    const Way way{packet_.destination, packet_.port, false, false, ""};
    auto seen = view(false, way);
    seen.interface_in = noInterface();
    seen.interface_out = interfaceValue(packet_.interface);
    seen.destination_type = {};
    seen.packet_type = {};
    if (!through("output", seen) || !through("postrouting", seen) || !through("egress", seen)) {
        return;
    }
    if (packet_.protocol == Protocol::tcp) {
        auto back = view(true, way);
        back.interface_in = interfaceValue(packet_.interface);
        back.interface_out = noInterface();
        if (!through("ingress", back) || !through("prerouting", back) || !through("input", back)) {
            return;
        }
    }
    fate_.may_reach = true;
}

Result Journey::run() {
    packet_.outgoing ? leave() : arrive();
    const bool certain = model_.unknowns.empty();
    Result result;
    if (!fate_.may_reach && !model_.translates) {
        result.verdict = Verdict::must_block;
        result.rejected =
            certain && fate_.may_reject && !fate_.may_drop && (packet_.outgoing || refusalPasses());
        noteAll(result.decided_by, fate_.dropped_by);
    } else {
        result.verdict = certain && !fate_.blocks() && fate_.may_reach ? Verdict::must_reach : Verdict::may;
        if (fate_.blocks()) {
            fate_.accepted_by.merge(fate_.dropped_by);
        }
        noteAll(result.decided_by, fate_.accepted_by);
        if (fate_.path.empty()) {
            result.decided_by.emplace_back(packet_.outgoing ? "no chain at the output hook"
                                                            : "no chain at the input hook");
        }
        notes_.unknowns.insert(model_.unknowns.begin(), model_.unknowns.end());
        noteAll(result.unknowns, notes_.unknowns);
    }
    noteAll(result.assumptions, notes_.assumptions);
    result.path = std::move(fate_.path);
    for (const auto& target : fate_.translated_to) {
        result.translated_to += (result.translated_to.empty() ? "" : " or ") + target;
    }
    result.forwarded = fate_.forwarded;
    return result;
}

}  // namespace

Address vrrpGroup(Family family) {
    return *Address::parse(family == Family::ipv4 ? "224.0.0.18" : "ff02::12");
}

const char* verdictName(Verdict verdict) {
    switch (verdict) {
        case Verdict::must_reach:
            return "must_reach";
        case Verdict::must_block:
            return "must_block";
        case Verdict::may:
            return "may";
    }
    return "may";
}

Result Ruleset::evaluate(const Packet& packet) const {
    return Journey(*model_, packet).run();
}

bool Ruleset::filtersInput(Family family) const {
    for (const auto& table : model_->tables) {
        if (table.dormant ||
            (table.family != "inet" && table.family != (family == Family::ipv4 ? "ip" : "ip6"))) {
            continue;
        }
        for (const auto& [name, chain] : table.chains) {
            if (chain.base && chain.hook == "input" && chain.type == "filter") {
                return true;
            }
        }
    }
    return false;
}

}  // namespace lapwing::reach
