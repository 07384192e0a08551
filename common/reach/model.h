#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/reach/ruleset.h"
#include "common/truth.h"

namespace lapwing::reach {

/// Numbers from `low` to `high`: an address, a port, a protocol, a set of bits.
struct Range {
    Key low{};
    Key high{};
    bool operator==(const Range&) const = default;
};

/// What of a packet a rule looks at. Those that the evaluation cannot tell are all `unknown`.
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
    other_protocol,  ///< a header that neither TCP nor UDP over IP has: the rule cannot match
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
    fib_destination_type,
    fib_source_route,
    unknown,
};

struct Field {
    FieldKind kind = FieldKind::unknown;
    std::optional<Key> mask;
    std::string text;  ///< as a person would write it: "ip saddr"
};

/// One part of what a field is compared with.
struct Term {
    enum class Kind { range, name, unknown };
    Kind kind = Kind::unknown;
    Range range;
    std::string name;  ///< an interface's; a trailing * stands for any rest
};

inline Term unknownTerm() {
    return {};
}

inline Term rangeTerm(const Key& low, const Key& high) {
    return {Term::Kind::range, {low, high}, {}};
}

/// Where an address translation sends a packet: the first address and port are the only ones, or the kernel
/// chooses.
struct Target {
    std::optional<Address> address;  ///< nothing: it stays (`dnat to :PORT`)
    std::optional<std::uint16_t> port;
    bool redirects = false;  ///< to the address of the interface on which it came in
    bool unknown = false;
    bool operator==(const Target&) const = default;
};

struct Element {
    std::vector<Term> parts;  ///< one for each field
    bool timed = false;       ///< may be gone by now
};

enum class Action { accept, drop, reject, jump, go_to, return_, continue_, queue };

struct Decision {
    Action action = Action::continue_;
    std::string chain;
};

struct SetData {
    std::vector<Element> elements;
    std::vector<Decision> decisions;  ///< of a verdict map: one for each element
    std::vector<Target> targets;      ///< of a map that an address translation looks up: likewise
};

enum class Operator { equal, not_equal, any_bit };

struct Statement {
    enum class Kind {
        match,
        vmap,
        decision,
        fixed,
        translate,         ///< the destination; to `target`, or by the map to one of `data.targets`
        translate_source,  ///< of what goes out
        unknown_match,
        unknown_effect,
    };
    Kind kind = Kind::match;
    std::vector<Field> fields;  ///< of a map: its key
    Operator op = Operator::equal;
    std::string set;  ///< a named set or map; "" if `data` is given
    SetData data;
    std::string adds_to;  ///< the set that the packet's own values go into
    Decision decision;
    Target target;
    bool fixed = true;  ///< what a rate limit says to the first packet after a quiet time
    std::string text;   ///< what is unknown, or assumed
};

inline Statement unknownMatch(std::string what) {
    Statement statement;
    statement.kind = Statement::Kind::unknown_match;
    statement.text = std::move(what);
    return statement;
}

/// What always matches, or never; `assumption`: "" where that is certain.
inline Statement fixedAnswer(bool matches, std::string assumption) {
    Statement statement;
    statement.kind = Statement::Kind::fixed;
    statement.fixed = matches;
    statement.text = std::move(assumption);
    return statement;
}

inline Statement decisionOf(Action action, std::string chain = "") {
    Statement statement;
    statement.kind = Statement::Kind::decision;
    statement.decision = {action, std::move(chain)};
    return statement;
}

struct Rule {
    std::string place;  ///< "inet filter input handle 12"
    std::vector<Statement> statements;
    std::string text;  ///< as its author would write it; "" if that is not known
};

struct Chain {
    std::string place;  ///< "inet filter input"
    std::vector<Rule> rules;
    bool base = false;
    std::string type;
    std::string hook;
    int priority = 0;
    bool drops_by_default = false;
    std::vector<std::string> devices;  ///< of a chain that looks at some devices only
    bool device_unknown = false;       ///< it does, and they are not listed
};

struct Table {
    std::string family;
    std::string name;
    std::string label;  ///< before its chains' places: "inet filter", "legacy ip filter"
    bool dormant = false;
    bool maybe_dormant = false;
    bool has_xt = false;
    std::map<std::string, Chain> chains;
    std::map<std::string, SetData> sets;
    std::vector<std::string> base_chains;  ///< in the order of the listing
};

struct Ruleset::Model {
    std::vector<Table> tables;
    std::vector<std::string> unknowns;
    bool sets_marks = false;
    bool untracks = false;
    bool translates = false;  ///< something outside the listing may
    Host host;

    /// What sources() has found: rules change seldom, and are asked about again and again.
    std::mutex found_mutex;
    std::map<std::tuple<Address, Protocol, std::uint16_t, std::string, bool>, Sources> found;
};

/// Adds the tables of an iptables-save listing to the model: legacy ones beside what is there, others in the
/// place of the tables of that family and name (what `nft -j` prints of them lacks the arguments of xt).
void addIptablesSave(std::string_view save, const std::string& family, bool legacy, Ruleset::Model& model);

/// A save without what changes by itself: its counters, and the comments that tell the time.
std::string withoutCounters(std::string_view save);

/// The numbers behind the names that nft prints; nothing for a name that is not known.
std::optional<Key> symbol(FieldKind kind, const std::string& name);

}  // namespace lapwing::reach
