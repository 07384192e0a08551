#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/enum_names.h"
#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

constexpr std::array kVerdicts{
    EnumName<Verdict>{Verdict::must_reach, "must_reach"},
    EnumName<Verdict>{Verdict::must_block, "must_block"},
    EnumName<Verdict>{Verdict::may, "may"},
};

constexpr std::array kPacketKinds{
    EnumName<PacketKind>{PacketKind::solicitation, "solicitation"},
    EnumName<PacketKind>{PacketKind::resolution, "resolution"},
    EnumName<PacketKind>{PacketKind::syn, "syn"},
    EnumName<PacketKind>{PacketKind::syn_ack, "syn_ack"},
    EnumName<PacketKind>{PacketKind::ack, "ack"},
    EnumName<PacketKind>{PacketKind::data, "data"},
    EnumName<PacketKind>{PacketKind::answer_ack, "answer_ack"},
    EnumName<PacketKind>{PacketKind::answer_data, "answer_data"},
    EnumName<PacketKind>{PacketKind::request, "request"},
    EnumName<PacketKind>{PacketKind::answer, "answer"},
    EnumName<PacketKind>{PacketKind::advertisement, "advertisement"},
};

constexpr std::array kPacketTitles{
    EnumName<PacketKind>{PacketKind::solicitation, "neighbour solicitation"},
    EnumName<PacketKind>{PacketKind::resolution, "neighbour advertisement"},
    EnumName<PacketKind>{PacketKind::syn, "first packet (SYN)"},
    EnumName<PacketKind>{PacketKind::syn_ack, "second packet (SYN-ACK)"},
    EnumName<PacketKind>{PacketKind::ack, "third packet (ACK)"},
    EnumName<PacketKind>{PacketKind::data, "client's data"},
    EnumName<PacketKind>{PacketKind::answer_ack, "server's acknowledgement"},
    EnumName<PacketKind>{PacketKind::answer_data, "server's data"},
    EnumName<PacketKind>{PacketKind::request, "request"},
    EnumName<PacketKind>{PacketKind::answer, "answer"},
    EnumName<PacketKind>{PacketKind::advertisement, "advertisement"},
};

constexpr std::uint16_t kFirstSenderPort = 1024;
constexpr std::uint16_t kLastPort = 65535;
constexpr std::size_t kMostPortParts = 64;

/// A source that the interface's reverse path filter drops does not come in there.
bool comesInBy(const Result& result) {
    return std::none_of(result.decided_by.begin(), result.decided_by.end(),
                        [](const auto& reason) { return reason.starts_with("rp_filter "); });
}

/// The interfaces by which the packet may come in or go out.
std::set<std::string> interfacesFor(const Ruleset::Model& model, const Packet& packet) {
    std::set<std::string> out;
    if (packet.outgoing && model.host.network) {
        const auto found =
            routesTo(*model.host.network, AddressRange::of(packet.destination), std::nullopt, false);
        for (const auto& each : found) {
            out.insert(each.interface);
        }
        out.erase("");
        return out;
    }
    for (const auto& one : model.host.interfaces) {
        out.insert(one.name);
    }
    return out;
}

bool isSplit(const Result& whole, const std::set<std::uint16_t>& ports) {
    return whole.verdict == Verdict::may && !ports.empty() && ports.size() <= kMostPortParts;
}

/// Where a rule tells the sender's ports apart, the verdict is certain only if it is the same for each part.
Result evaluateWay(const Ruleset::Model& model, const Packet& packet, SourceTrace* trace) {
    Traversal traversal(model, packet, kFirstSenderPort, kLastPort, trace);
    auto whole = traversal.run();
    auto starts = traversal.senderPorts();
    std::erase_if(starts, [](std::uint16_t port) { return port <= kFirstSenderPort; });
    if (!isSplit(whole, starts)) {
        return whole;
    }
    starts.insert(kFirstSenderPort);
    std::optional<Result> out;
    std::set<std::string> differing;
    for (auto start = starts.begin(); start != starts.end(); ++start) {
        const auto after = std::next(start);
        const auto last = after == starts.end() ? kLastPort : static_cast<std::uint16_t>(*after - 1);
        auto part = Traversal(model, packet, *start, last, trace).run();
        if (!out) {
            out = std::move(part);
        } else if (part.verdict != out->verdict) {
            differing.insert("the sender's port: from " + std::to_string(*start) + " to " +
                             std::to_string(last) + " the verdict is another one");
        }
    }
    if (differing.empty() && out->verdict != Verdict::may) {
        return std::move(*out);
    }
    whole.unknowns.insert(whole.unknowns.end(), differing.begin(), differing.end());
    return whole;
}

/// Without an interface, the answer is certain where it is the same for each by which the packet may come.
Result evaluateWays(const Ruleset::Model& model, const Packet& packet, SourceTrace* trace) {
    const auto interfaces = packet.interface.empty() ? interfacesFor(model, packet) : std::set<std::string>{};
    if (interfaces.empty()) {
        return evaluateWay(model, packet, trace);
    }
    std::optional<Result> out;
    std::string verdicts;
    bool same = true;
    for (const auto& name : interfaces) {
        auto asked = packet;
        asked.interface = name;
        auto result = evaluateWay(model, asked, trace);
        verdicts += (verdicts.empty() ? "" : ", ") + name + ": " + verdictName(result.verdict);
        if (!out || (!comesInBy(*out) && comesInBy(result))) {
            out = std::move(result);
        } else if (comesInBy(result)) {
            same = same && result.verdict == out->verdict;
            out->rejected = out->rejected && result.rejected;
        }
    }
    if (!same) {
        out->verdict = Verdict::may;
        out->rejected = false;
        out->unknowns.push_back("by which interface the packet comes (" + verdicts + ")");
    }
    return std::move(*out);
}

}  // namespace

const char* packetKindName(PacketKind kind) {
    return nameOf(kPacketKinds, kind);
}

const char* packetTitle(PacketKind kind) {
    return nameOf(kPacketTitles, kind);
}

bool isReply(PacketKind kind) {
    return kind == PacketKind::syn_ack || kind == PacketKind::answer_ack || kind == PacketKind::answer_data ||
           kind == PacketKind::answer;
}

Address vrrpGroup(Family family) {
    return *Address::parse(family == Family::ipv4 ? "224.0.0.18" : "ff02::12");
}

const char* verdictName(Verdict verdict) {
    return nameOf(kVerdicts, verdict);
}

std::optional<Verdict> parseVerdict(std::string_view word) {
    return valueOf(kVerdicts, word);
}

Result evaluateExchange(const Ruleset::Model& model, const Packet& packet, SourceTrace* trace) {
    return evaluateWays(model, packet, trace);
}

Result Ruleset::evaluate(const Packet& packet) const {
    return evaluateExchange(*model_, packet);
}

bool Ruleset::filtersInput(Family family) const {
    const auto own = family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
    for (const auto& table : model_->tables) {
        if (table.dormant || (table.family != TableFamily::inet && table.family != own)) {
            continue;
        }
        for (const auto& [name, chain] : table.chains) {
            if (chain.base && chain.hook == Hook::input && chain.type == ChainType::filter) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace lapwing::reach
