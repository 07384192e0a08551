#pragma once

// How one packet is matched by the rules of one base chain; private to this library.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/reach/model.h"

namespace lapwing::reach {

/// What a chain or a rule may do with the packet: a set of bits.
constexpr unsigned kAccept = 1;
constexpr unsigned kDrop = 2;
constexpr unsigned kReject = 4;
constexpr unsigned kNext = 8;     ///< goes on with the next rule
constexpr unsigned kReturn = 16;  ///< goes back to the calling chain
constexpr unsigned kTranslate = 32;
constexpr unsigned kFinal = kAccept | kDrop | kReject | kTranslate;

/// Conntrack's states, as symbol() numbers them.
constexpr std::uint64_t kInvalid = 1;
constexpr std::uint64_t kEstablished = 2;
constexpr std::uint64_t kNew = 8;
constexpr std::uint64_t kUntracked = 64;

constexpr int kConntrackPriority = -200;
constexpr int kDestinationNatPriority = -100;
constexpr int kSourceNatPriority = 100;

struct FieldValue {
    enum class Kind { absent, unknown, range, name, no_interface };
    Kind kind = Kind::unknown;
    Range range;
    std::string name;
};

/// The values of a packet's fields at one hook.
struct PacketView {
    Family family = Family::ipv4;
    Protocol protocol = Protocol::tcp;
    bool answer = false;
    FieldValue source;
    FieldValue destination;
    FieldValue source_port;
    FieldValue destination_port;
    FieldValue interface_in;
    FieldValue interface_out;
    FieldValue destination_type;  ///< as `fib daddr type` gives it
    FieldValue packet_type;
    bool translated = false;
    bool refusal = false;  ///< a reset or an ICMP error of this host: only its addresses are known
};

struct ChainOutcome {
    unsigned may = 0;
    std::set<std::string> accepted_by;
    std::set<std::string> dropped_by;
    std::set<std::string> translated_by;
    std::vector<Target> targets;
};

FieldValue absent();
FieldValue number(std::uint64_t value);
FieldValue between(std::uint64_t low, std::uint64_t high);
FieldValue addressValue(const AddressRange& range);
FieldValue interfaceValue(const std::string& name);
/// For the kernel, a missing interface has a name that differs from every other.
FieldValue noInterface();

Truth termMatches(const FieldValue& value, const Field& field, const Term& term, Operator op);

class SourceTrace;

/// Notes of the whole traversal.
struct Notes {
    SourceTrace* trace = nullptr;  ///< learns of comparisons with the packet's source
    std::set<std::string> unknowns;
    std::set<std::string> assumptions;
    bool marked = false;  ///< a rule may have set the packet's mark, or that of its connection
};

class ChainWalk {
  public:
    ChainWalk(const Ruleset::Model& model, Notes& notes) : model_(model), notes_(notes) {}

    /// What a base chain may do with the packet.
    ChainOutcome base(const Table& table, const Chain& chain, const std::string& name,
                      const PacketView& view);

  private:
    bool isOutside(const Rule& rule);
    FieldValue valueOf(const Field& field);
    FieldValue ctValue(std::uint64_t of_packet, bool known) const;
    bool mayBeMarked() const;
    void mayMark();
    Truth elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                         const Element& element) const;
    Truth matches(const Statement& statement, bool& applies);
    Truth matchesOnce(const Statement& statement, bool& applies);
    unsigned decide(const Table& table, const Decision& decision, const std::string& place, int depth,
                    ChainOutcome& out);
    unsigned decideByMap(const Table& table, const Statement& statement, const std::string& place, int depth,
                         ChainOutcome& out);
    unsigned translate(const Statement& statement, const std::string& place, ChainOutcome& out);
    unsigned rule(const Table& table, const Rule& rule, int depth, ChainOutcome& out);
    ChainOutcome chain(const Table& table, const std::string& name, int depth);

    const Ruleset::Model& model_;
    Notes& notes_;
    PacketView view_;
    const Table* table_ = nullptr;  ///< of the present base chain
    const Chain* base_ = nullptr;
    std::uint64_t ct_state_ = kNew;
    bool others_mark_ = false;  ///< a base chain that the kernel may call before this one sets marks
    std::map<FieldKind, FieldValue> bounded_;  ///< the values of the present view that rules' bounds ask for
    std::map<const Chain*, ChainOutcome> done_;
    std::set<const Chain*> open_;  ///< chains of the present call stack: a jump to one of them is a circle
    std::set<std::pair<const Table*, std::string>>
        added_;  ///< sets to which a rule may have added the packet
};

}  // namespace lapwing::reach
