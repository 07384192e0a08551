#pragma once

// How one packet traverses the hooks of a host; private to this library.

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

/// What may happen to one packet.
struct PacketOutcome {
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
    /// Both must outlive the traversal.
    Traversal(const Ruleset::Model& model, const Packet& packet)
        : model_(model), packet_(packet), walk_(model, notes_) {}

    /// Tells `trace` of each comparison with the packet's source. It must outlive the traversal.
    void traceSources(SourceTrace& trace) { notes_.trace = &trace; }

    Result run();

  private:
    // traversal.cpp: from hook to hook
    PacketView view(bool answer, const Route& route) const;
    Route routeTo(const Target& target) const;
    void arrive();
    void go(const Route& route);
    bool answers(const Route& route);
    bool refusalPasses();
    void leave();

    // hook.cpp: the chains of one hook
    bool passes(const Table& table) const;
    std::vector<HookedChain> chainsAt(Hook hook, HookPart part, bool answer) const;
    /// False where no packet gets through the hook.
    bool through(Hook hook, const PacketView& view, HookPart part = HookPart::all);
    void pass(const std::vector<HookedChain>& chains, const PacketView& view, bool& open,
              ChainOutcome* translations);
    void addOthers(const std::vector<HookedChain>& chains, std::vector<HookedChain>::const_iterator at,
                   const PacketView& view, ChainOutcome* translations);
    void note(const HookedChain& hooked, const ChainOutcome& out, bool answer);

    const Ruleset::Model& model_;
    const Packet& packet_;
    Notes notes_;
    ChainWalk walk_;
    PacketOutcome outcome_;
};

}  // namespace lapwing::reach
