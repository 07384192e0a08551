#pragma once

// How the packets of an exchange traverse the hooks of a host; private to this library.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/reach/chain_walk.h"

namespace lapwing::reach {

/// Where a packet goes after the rules at prerouting have seen it.
struct Route {
    std::optional<Address> destination;  ///< nothing: an address of this host that is not known
    std::uint16_t port = 0;
    bool translated = false;
    bool forwarded = false;
    std::string interface_out;  ///< of a forwarded packet; "" if unknown
    std::string refusal;        ///< why the kernel does not forward it; "" if it does
};

/// What may happen to the exchange.
struct ExchangeOutcome {
    bool may_reach = false;
    bool may_drop = false;
    bool may_reject = false;
    std::set<std::string> accepted_by;
    std::set<std::string> dropped_by;
    std::vector<Step> path;
    std::set<std::string> translated_to;
    bool forwarded = false;
    std::vector<Route> forwarded_to;
    int ways = 0;                        ///< destinations to which the exchange may go
    std::optional<PacketKind> may_fail;  ///< the first packet that may be dropped
    std::optional<PacketKind> fails;     ///< the first packet that certainly is

    bool blocks() const { return may_drop || may_reject; }
};

/// A packet whose way through the rules is known. A later one in the same direction shares it, if no rule has
/// looked at a field in which both differ.
struct Crossed {
    PacketKind kind;
    ConnectionState before;
    bool passes = false;
};

/// A base chain at the hook that the packet passes.
struct HookedChain {
    const Table* table;
    const Chain* chain;
    std::string name;
};

/// Part of the chains at prerouting: those of type nat, and those that the kernel calls before them, at the
/// same priority, and after them.
enum class HookPart { all, before_nat, nat, beside_nat, after_nat };

class Traversal {
  public:
    /// All must outlive the traversal. The sender's port is one from `first_port` to `last_port`. `trace`
    /// hears of each comparison with the packet's source.
    Traversal(const Ruleset::Model& model, const Packet& packet, std::uint64_t first_port,
              std::uint64_t last_port, SourceTrace* trace)
        : model_(model),
          packet_(packet),
          walk_(model, notes_),
          first_port_(first_port),
          last_port_(last_port),
          reply_interface_(replyInterface()),
          hops_of_other_(
              hopsOf(false, packet.outgoing ? AddressRange::of(packet.destination) : packet.source)) {
        notes_.trace = trace;
    }

    Result run();
    /// Where rules tell the sender's ports apart: the first ports of each part.
    const std::set<std::uint16_t>& senderPorts() const { return notes_.sender_ports; }

  private:
    // packet_view.cpp: the fields of a packet
    PacketView view(PacketKind kind, const Route& route) const;
    FieldValue typeOfSource() const;
    FieldValue hopsOf(bool own, const AddressRange& sender) const;
    static FieldValue oneHopLess(FieldValue hops);
    FieldValue typeHere(const FieldValue& anywhere, const Route& route) const;

    // traversal.cpp: from hook to hook
    Route plainRoute() const;
    Route routeTo(const Target& target) const;
    /// The first packet of an exchange that another host begins, until its destination is known.
    void arrive();
    void follow(const Target& target);
    /// The rest of the first packet's way, then the rest of the exchange.
    void go(const Route& route);
    void answerAll(const Route& route);
    bool mayTranslateLate(PacketKind kind) const;
    bool cross(PacketKind kind, const Route& route);
    bool reachesNat(PacketKind kind);
    bool passesBeside(PacketKind kind, bool translated);
    bool deliver(PacketKind kind, const Route& route);
    bool leaveHost(PacketView seen, const Route& route);
    bool comeBack(PacketKind kind, const Route& route);
    bool refusalPasses();
    Result result();

    // routes.cpp: the kernel's routes
    bool unmarked() const;
    std::vector<RouteFound> routesToSender() const;
    FieldValue sourceRoute() const;
    std::string replyInterface() const;
    bool senderIsReachable();
    void applyRoutes();
    void noteRoute(Truth passes, const std::string& reason, PacketKind packet);
    Truth reverseFilterPasses(const std::vector<RouteFound>& found) const;
    void noteLinks();

    // neighbours.cpp
    struct Hop {
        AddressRange address;
        std::string interface;
        std::optional<Address> own;  ///< the address of this host there
        bool is_router = false;
        bool certain = false;      ///< packets go to that host
        bool host_begins = false;  ///< this host sends the first packet there
    };
    std::optional<Hop> hopTo(const AddressRange& end, const std::string& interface,
                             const std::optional<Address>& own, bool host_begins) const;
    std::vector<Hop> hops() const;
    bool seesDiscovery() const;
    PacketView discoveryView(PacketKind kind, bool inward, const Hop& hop) const;
    Truth discoveryPasses(PacketKind kind, bool inward, const Hop& hop, NeighbourResult& out);
    NeighbourResult discover(const Hop& hop);
    NeighbourResult discoverOnce(const Hop& hop);
    void applyDiscovery();

    // hook.cpp: the chains of one hook
    static bool passes(const Table& table, const PacketView& view);
    std::vector<HookedChain> chainsAt(Hook hook, HookPart part, const PacketView& view) const;
    /// False where no packet gets through the hook.
    bool through(Hook hook, const PacketView& view, HookPart part = HookPart::all);
    void pass(const std::vector<HookedChain>& chains, const PacketView& view, bool& open,
              ChainOutcome* translations);
    void addOthers(const std::vector<HookedChain>& chains, std::vector<HookedChain>::const_iterator at,
                   const PacketView& view, ChainOutcome* translations);
    void noteBlocks(const ChainOutcome& out, const PacketView& view);
    void note(const HookedChain& hooked, const ChainOutcome& out, PacketKind packet);

    const Ruleset::Model& model_;
    const Packet& packet_;
    Notes notes_;
    ChainWalk walk_;
    ExchangeOutcome outcome_;
    std::uint64_t first_port_;
    std::uint64_t last_port_;
    std::string reply_interface_;  ///< by which answers to another host leave; "" if unknown
    FieldValue hops_of_other_;     ///< TTL or hop limit of the other host's packets
};

/// For each port of the sender, and without an interface for each by which the packet may come in: the
/// verdict is certain only if it is the same for all of them.
Result evaluateExchange(const Ruleset::Model& model, const Packet& packet, SourceTrace* trace = nullptr);

}  // namespace lapwing::reach
