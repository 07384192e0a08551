#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/reach/intervals.h"
#include "common/reach/ipset.h"
#include "common/reach/ruleset.h"
#include "common/truth.h"

namespace lapwing::reach {

/// The part of a packet that a rule looks at. Parts that the evaluation does not know are all `unknown`.
enum class FieldKind {
    ip_source,
    ip_destination,
    ip6_source,
    ip6_destination,
    ip_protocol,
    ip6_next_header,
    ip_version,
    tcp_source_port,
    tcp_destination_port,
    tcp_flags,
    udp_source_port,
    udp_destination_port,
    any_source_port,
    any_destination_port,
    other_protocol,  ///< a header that packets of TCP and UDP lack: the rule cannot match
    icmpv6_type,
    ip_fragment,  ///< flags and offset
    ip_header_length,
    ip_ttl,
    ip6_hop_limit,
    ip_options,         ///< whether an option of IPv4 is there
    extension_headers,  ///< whether an extension header of IPv6 is there
    absent_header,      ///< a field of an option or of an extension header that plain packets lack
    tcp_segment_size,   ///< the option of a SYN and of its answer
    tcp_header_length,
    arp_operation,
    interface_in,
    interface_out,
    transport,
    nf_protocol,
    ether_type,
    mark,
    packet_type,
    ct_state,
    ct_status,
    ct_direction,
    ct_mark,
    ct_zone,
    ct_original_source,
    ct_original_destination,
    ct_original_source_port,
    ct_original_destination_port,
    fib_source_type,
    fib_destination_type,
    fib_destination_type_here,  ///< only addresses of the incoming interface count as local
    fib_source_route,
    unknown,
};

struct Field {
    FieldKind kind = FieldKind::unknown;
    std::optional<Key> mask;
    std::string text;  ///< as a person would write it: "ip saddr"
};

/// One value, or range of values, with which a field is compared.
struct Term {
    enum class Kind { range, name, unknown };
    Kind kind = Kind::unknown;
    Range range;
    std::string name;  ///< of an interface; a trailing * stands for any rest
};

inline Term unknownTerm() {
    return {};
}

inline Term rangeTerm(const Key& low, const Key& high) {
    return {Term::Kind::range, {low, high}, {}};
}

/// Where an address translation sends a packet. Where the rule gives a range, the kernel chooses: `unknown`.
struct Target {
    std::optional<Address> address;  ///< nothing: it stays (`dnat to :PORT`)
    std::optional<std::uint16_t> port;
    bool redirects = false;  ///< to the address of the interface on which the packet came in
    bool unknown = false;
    bool operator==(const Target&) const = default;
};

struct Element {
    std::vector<Term> parts;  ///< one for each field
    bool timed = false;       ///< has a timeout, so it may have expired
};

enum class Action { accept, drop, reject, jump, go_to, return_, continue_, queue };

struct Decision {
    Action action = Action::continue_;
    std::string chain;
    bool operator==(const Decision&) const = default;
};

struct SetData {
    std::vector<Element> elements;
    std::vector<Decision> decisions;            ///< of a verdict map: one for each element
    std::vector<Target> targets;                ///< of a map for an address translation: one for each element
    std::shared_ptr<const AddressIndex> index;  ///< further elements of a set of addresses
};

enum class Operator { equal, not_equal, any_bit, no_bit };

/// The new mark of a packet or of its connection: (old & keep) ^ (source & take) ^ flip.
struct MarkChange {
    enum class Mark { packet, connection };
    bool known = false;  ///< otherwise the mark may become anything
    Mark target = Mark::packet;
    Mark source = Mark::packet;
    std::uint32_t keep = 0;
    std::uint32_t take = 0;
    std::uint32_t flip = 0;
};

struct Statement {
    enum class Kind {
        match,
        vmap,
        decision,
        fixed,
        translate,         ///< changes the destination to `target`, or by the map to one of `data.targets`
        translate_source,  ///< changes the source of outgoing packets
        mark,              ///< sets the mark of the packet or of its connection by `mark`
        overwrite,         ///< changes the header fields `fields` in a way that is not followed
        notrack,           ///< the packet belongs to no connection, if conntrack has not seen it yet
        unknown_match,     ///< the rule may match or not
        unknown_effect,    ///< may accept, drop, jump or change the packet
    };
    Kind kind = Kind::match;
    std::vector<Field> fields;  ///< of a map: its key
    Operator op = Operator::equal;
    std::string set;  ///< a named set or map; "" if `data` is given
    SetData data;
    std::uint32_t run = 0;  ///< the same for neighbouring rules that differ in this match's addresses alone
    std::string adds_to;    ///< the set to which the rule adds the packet's values
    Decision decision;
    Target target;
    MarkChange mark;
    bool fixed =
        true;  ///< whether `fixed` matches: a rate limit lets the first packet after a quiet time pass
    std::uint64_t burst = 0;  ///< of a slow rate limit: `fixed` is certain for so many packets; 0: for all
    std::string text;         ///< the construct that is unknown, or the assumption
};

inline Statement unknownMatch(std::string what) {
    Statement statement;
    statement.kind = Statement::Kind::unknown_match;
    statement.text = std::move(what);
    return statement;
}

/// It may accept, drop, jump or change the packet.
inline Statement unknownEffect(std::string what) {
    Statement statement;
    statement.kind = Statement::Kind::unknown_effect;
    statement.text = std::move(what);
    return statement;
}

/// A match with a fixed answer; `assumption`: why that answer is assumed, "" where it is certain.
inline Statement fixedAnswer(bool matches, std::string assumption) {
    Statement statement;
    statement.kind = Statement::Kind::fixed;
    statement.fixed = matches;
    statement.text = std::move(assumption);
    return statement;
}

/// Packets that a rate limit lets pass at once, where the rule does not say (of nft and of iptables).
inline constexpr std::uint64_t kDefaultBurst = 5;

/// A rate limit as an idle sender meets it. `rate`: packets in a time ("second", "minute", "hour", "day",
/// "week"); 0: the limit counts something else.
Statement limitStatement(bool inverted, std::uint64_t rate, const std::string& per, std::uint64_t burst);

inline Statement markStatement(const MarkChange& change = {}) {
    Statement statement;
    statement.kind = Statement::Kind::mark;
    statement.mark = change;
    return statement;
}

/// The field's value is not known afterwards.
inline Statement overwriteStatement(FieldKind kind) {
    Statement statement;
    statement.kind = Statement::Kind::overwrite;
    statement.fields.push_back({kind, std::nullopt, ""});
    return statement;
}

inline Statement notrackStatement() {
    Statement statement;
    statement.kind = Statement::Kind::notrack;
    return statement;
}

inline Statement decisionOf(Action action, std::string chain = "") {
    Statement statement;
    statement.kind = Statement::Kind::decision;
    statement.decision = {action, std::move(chain)};
    return statement;
}

/// A rule does not match where the field is outside the range.
struct Bounds {
    FieldKind kind = FieldKind::unknown;
    Range range;
};

struct Rule {
    std::vector<Bounds> bounds;  ///< of the matches with which it begins: most rules end with them
    std::string place;           ///< "inet filter input handle 12"
    std::vector<Statement> statements;
    std::string text;  ///< as its author would write it; "" if unknown
};

inline bool setsMarks(const Rule& rule) {
    return std::any_of(rule.statements.begin(), rule.statements.end(), [](const auto& statement) {
        return statement.kind == Statement::Kind::mark || statement.kind == Statement::Kind::unknown_effect;
    });
}

struct Chain {
    std::string place;  ///< "inet filter input"
    std::vector<Rule> rules;
    bool base = false;
    // The rest is of base chains.
    ChainType type = ChainType::filter;
    Hook hook = Hook::input;
    int priority = 0;
    Policy policy = Policy::accept;
    std::vector<std::string> devices;  ///< those to which a chain at ingress or egress is bound
    bool device_unknown = false;       ///< it is bound to some, which are not listed

    bool dropsByDefault() const { return base && policy == Policy::drop; }
};

struct Table {
    TableFamily family = TableFamily::inet;
    std::string name;
    std::string label;  ///< before its chains' places: "inet filter", "legacy ip filter"
    bool dormant = false;
    bool maybe_dormant = false;
    bool has_xt = false;
    bool sets_marks = false;  ///< some rule may set a mark
    std::map<std::string, Chain> chains;
    std::map<std::string, SetData> sets;
    std::vector<std::string> base_chains;  ///< in the order of the listing
};

/// Whether the packets of neighbour discovery with a host pass, both ways.
struct NeighbourResult {
    Truth passes = Truth::yes;
    std::set<std::string> dropped_by;
    std::set<std::string> unknowns;
    std::vector<Step> path;
};

/// The other host, the address of this host, the interface, and flags of the hop.
using NeighbourKey = std::tuple<Family, Key, Key, Address, std::string, unsigned>;

struct Ruleset::Model {
    std::vector<Table> tables;
    std::vector<std::string> unknowns;
    bool untracks = false;    ///< something that is not understood may take packets out of conntrack
    bool translates = false;  ///< something outside the listing may change destinations
    Host host;
    std::map<std::string, IpsetAddresses> ipsets;  ///< that no rule changes
    std::vector<std::string> broken_strings;       ///< of the listing, with newlines

    /// Memoised results of sources(): a ruleset is queried far more often than it changes. Null: too many.
    mutable Mutex found_mutex;
    std::map<std::tuple<Address, Protocol, std::uint16_t, std::string, bool>, std::shared_ptr<const Sources>>
        found LAPWING_GUARDED_BY(found_mutex);
    std::size_t found_ranges LAPWING_GUARDED_BY(found_mutex) = 0;
    /// Memoised results of neighbour discovery: the same for every port.
    mutable std::map<NeighbourKey, NeighbourResult> neighbours LAPWING_GUARDED_BY(found_mutex);
};

/// Moves the addresses of a set into an index, if there are many.
void indexAddresses(const std::vector<Field>& fields, SetData& data);
/// Puts the matches of each rule into the order in which few of them are evaluated, and finds runs of rules.
void prepare(Ruleset::Model& model);

/// Adds the tables of an iptables-save listing to the model. Legacy tables are added beside the others;
/// tables of iptables-nft replace the tables of that family and name, because `nft -j` lists xt without its
/// arguments.
void addIptablesSave(std::string_view save, Family family, bool legacy, Ruleset::Model& model);

bool isAddress(FieldKind kind);

/// A save without its counters and its comments, which tell the time: both change by themselves.
std::string withoutCounters(std::string_view save);

/// The numbers behind the names that nft prints; nothing for a name that is not known.
std::optional<Key> symbol(FieldKind kind, const std::string& name);

}  // namespace lapwing::reach
