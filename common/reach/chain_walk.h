#pragma once

// How one packet is matched by the rules of one base chain; private to this library.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/reach/model.h"
#include "common/truth.h"

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

/// Types of addresses in a routing table (RTN_* of linux/rtnetlink.h).
constexpr std::uint64_t kUnicastType = 1;
constexpr std::uint64_t kLocalType = 2;
constexpr std::uint64_t kBroadcastType = 3;
constexpr std::uint64_t kMulticastType = 5;
constexpr std::uint64_t kUnreachableType = 7;

/// Of packets that hosts send (net.ipv4.ip_default_ttl, net.ipv6.conf.*.hop_limit; other systems have the
/// same).
constexpr std::uint64_t kHopsOfLinux = 64;

constexpr int kConntrackPriority = -200;
constexpr int kDestinationNatPriority = -100;
constexpr int kSourceNatPriority = 100;

struct FieldValue {
    enum class Kind { absent, unknown, range, name, no_interface };
    Kind kind = Kind::unknown;
    Range range;
    std::string name;
    std::vector<Range> others;  ///< further values that the packet may have instead of `range`
    std::uint64_t hazy = 0;     ///< bits of a single value that are not known
};

/// The values of a packet's fields at one hook.
struct PacketView {
    PacketKind kind = PacketKind::syn;
    Family family = Family::ipv4;
    std::uint8_t transport = 0;  ///< an IP protocol number; 0 for ARP
    bool arp = false;
    FieldValue source;
    FieldValue destination;
    FieldValue source_port;
    FieldValue destination_port;
    FieldValue original_source;  ///< of the connection's first packet, as its sender wrote it
    FieldValue original_destination;
    FieldValue original_source_port;
    FieldValue original_destination_port;
    FieldValue interface_in;
    FieldValue interface_out;
    FieldValue source_type;            ///< as `fib saddr type` gives it
    FieldValue destination_type;       ///< as `fib daddr type` gives it
    FieldValue destination_type_here;  ///< as `fib daddr . iif type` gives it
    FieldValue source_route;           ///< whether the source is routed back by the incoming interface
    FieldValue packet_type;
    FieldValue hops;  ///< TTL, or hop limit
    bool translated = false;
    bool refusal = false;  ///< a reset or an ICMP error of this host: only its addresses are known
};

/// The first packet of an exchange. Only the first is new to conntrack.
constexpr bool isFirst(PacketKind kind) {
    return kind == PacketKind::syn || kind == PacketKind::request || kind == PacketKind::advertisement;
}

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
    /// Where a rule tells the sender's ports apart: the first ports of the parts.
    std::set<std::uint16_t> sender_ports;
    bool anything = false;  ///< a construct that is not understood may have done anything with a packet
};

/// The marks that a packet or a connection may have; nothing: any.
using Marks = std::optional<std::set<std::uint32_t>>;

/// What earlier rules have done to a packet.
struct PacketState {
    Marks mark = std::set<std::uint32_t>{0};
    Truth tracked = Truth::yes;  ///< by conntrack
    std::set<FieldKind> overwritten;
    bool diverged = false;           ///< the packet may have taken several ways through the rules
    bool anything = false;           ///< a construct that is not understood may have changed it
    bool source_translated = false;  ///< maybe
    bool operator==(const PacketState&) const = default;
};

/// What earlier packets have done to the connection.
struct ConnectionState {
    Marks mark = std::set<std::uint32_t>{0};
    Truth tracked = Truth::yes;  ///< each packet so far
    /// The same for each direction: original, reply. Nothing: it had no packet yet.
    std::array<std::optional<Truth>, 2> tracked_by;
    std::set<std::pair<const Table*, std::string>> added;  ///< sets to which a rule may have added the packet
    std::map<const Statement*, std::uint64_t> limited;     ///< packets that came to a slow rate limit

    /// Conntrack has followed each packet of the original direction that a chain has seen.
    bool hasBegun() const { return tracked_by[0].value_or(Truth::yes) == Truth::yes; }
    bool operator==(const ConnectionState&) const = default;
};

class ChainWalk {
  public:
    ChainWalk(const Ruleset::Model& model, Notes& notes) : model_(model), notes_(notes) {}

    /// The next packet of the connection: unmarked, and tracked by conntrack until a rule says otherwise.
    void beginPacket();
    /// Forgets what the packet has done to the connection: it was not sent.
    void resume(const PacketState& packet, const ConnectionState& connection);
    const PacketState& packet() const { return packet_; }
    const ConnectionState& connection() const { return connection_; }
    /// Whether a rule has looked at a field in which the packets of one direction differ, since
    /// forgetReading().
    bool hasReadKind() const { return read_kind_; }
    void forgetReading() { read_kind_ = false; }

    /// What a base chain may do with the packet.
    ChainOutcome base(const Table& table, const Chain& chain, const std::string& name,
                      const PacketView& view);

  private:
    // values.cpp
    bool isOutside(const Rule& rule);
    FieldValue valueOf(const Field& field);
    FieldValue arpValueOf(FieldKind kind) const;
    FieldValue hops();
    FieldValue ctState() const;
    FieldValue stateOfHalf() const;
    FieldValue ctStatus() const;
    FieldValue ctValue(FieldValue of_packet) const;
    bool valuesOf(const Statement& statement, std::vector<FieldValue>& values);

    // term_match.cpp
    Truth elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                         const Element& element);
    /// `applies` is false where the packet lacks the header: then the rule does not match, negated or not.
    Truth matches(const Statement& statement, bool& applies);
    Truth matchesOnce(const Statement& statement, const std::vector<FieldValue>& values);
    void noteSenderPorts(const Statement& statement, std::size_t field, const Term& term);

    // chain_walk.cpp
    unsigned decide(const Table& table, const Decision& decision, const std::string& place, int depth,
                    ChainOutcome& out);
    unsigned decideByMap(const Table& table, const Statement& statement, const std::string& place, int depth,
                         ChainOutcome& out);
    unsigned translate(const Statement& statement, const std::string& place, ChainOutcome& out);
    unsigned rule(const Table& table, const Rule& rule, int depth, ChainOutcome& out);
    unsigned statement(const Rule& rule, const Statement& statement);
    unsigned unknownEffect(const std::string& place, const std::string& what, ChainOutcome& out);
    void noteUnknown(const std::string& place, const std::string& what);
    unsigned change(const Rule& rule, const MarkChange& change);
    void untrack();
    unsigned fixed(const Rule& rule, const Statement& statement);
    ChainOutcome chain(const Table& table, const std::string& name, int depth);
    void forget();

    const Ruleset::Model& model_;
    Notes& notes_;
    std::optional<PacketKind> walked_;  ///< the present packet, once a chain has seen it
    PacketView view_;
    PacketState packet_;
    ConnectionState connection_;
    const Table* table_ = nullptr;  ///< of the present base chain
    const Chain* base_ = nullptr;
    bool before_conntrack_ = false;
    bool read_kind_ = false;
    bool others_mark_ = false;  ///< a base chain that the kernel may call before this one sets marks
    std::map<FieldKind, FieldValue> bounded_;  ///< the values of the present view that rules' bounds ask for
    std::map<const Chain*, ChainOutcome> done_;
    std::set<const Chain*> open_;  ///< chains of the present call stack: a jump to one of them is a circle
    int changes_ = 0;              ///< of the packet and of the connection, since the traversal began
    int rules_ = 0;                ///< visited for this packet
};

}  // namespace lapwing::reach
