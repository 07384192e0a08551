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

/// The first packet of an exchange, of which alone conntrack knows nothing yet.
constexpr bool isFirst(PacketKind kind) {
    return kind == PacketKind::syn || kind == PacketKind::request || kind == PacketKind::advertisement;
}

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
          last_port_(last_port) {
        notes_.trace = trace;
    }

    Result run();
    /// Where rules tell the sender's ports apart: the first ports of each part.
    const std::set<std::uint16_t>& senderPorts() const { return notes_.sender_ports; }

  private:
    // traversal.cpp: from hook to hook
    PacketView view(PacketKind kind, const Route& route) const;
    FieldValue typeOfSource() const;
    FieldValue typeHere(const FieldValue& anywhere, const Route& route) const;
    Route plainRoute() const;
    Route routeTo(const Target& target) const;
    /// The first packet of an exchange that another host begins, until its destination is known.
    void arrive();
    void follow(const Target& target);
    /// The rest of the first packet's way, then the rest of the exchange.
    void go(const Route& route);
    void answerAll(const Route& route);
    bool cross(PacketKind kind, const Route& route);
    bool reachesNat(PacketKind kind);
    bool passesBeside(PacketKind kind, bool translated);
    bool deliver(PacketKind kind, const Route& route);
    bool leaveHost(PacketView seen, const Route& route);
    bool comeBack(PacketKind kind, const Route& route);
    bool refusalPasses();
    Result result();

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
};

/// Where a rule tells the sender's ports apart, the verdict is certain only if it is the same for each part.
Result evaluateExchange(const Ruleset::Model& model, const Packet& packet, SourceTrace* trace = nullptr);

}  // namespace lapwing::reach
