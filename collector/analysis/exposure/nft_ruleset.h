#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/reach/address.h"
#include "common/reach/netfilter.h"

namespace lapwing::analysis::exposure {

// The rulesets that remedies propose: a model, printed once as the text that `nft -f` reads and once as the
// JSON that `nft -j list ruleset` prints. The evaluator reads the JSON, so that the evaluated
// ruleset equals the printed ruleset. Pure; safe from any thread.

/// The left side of a match.
enum class NftField {
    ip_source,
    ip6_source,
    ip_destination,
    ip6_destination,
    tcp_port,  ///< the destination's
    udp_port,
    protocol,  ///< of the transport layer, by its number: a small system has no /etc/protocols
    interface_in,
    interface_in_name,  ///< the interface need not exist when the ruleset is loaded
    interface_out,
    connection_state,
};

NftField sourceField(reach::Family family);
NftField destinationField(reach::Family family);

/// A number; or the name of an interface or of a state of connections.
using NftValue = std::variant<reach::AddressRange, int, std::string>;

struct NftMatch {
    NftField field = NftField::tcp_port;
    std::vector<NftValue> values;  ///< at least one; the field matches any
    bool negated = false;
};

NftMatch portMatch(NftField field, const std::vector<int>& ports);
/// A range that another one contains is left out: nft refuses sets with overlaps.
NftMatch addressMatch(NftField field, const std::vector<reach::AddressRange>& addresses,
                      bool negated = false);
NftMatch wordMatch(NftField field, std::vector<std::string> words);

struct NftRule {
    std::vector<NftMatch> matches;
    reach::Policy verdict = reach::Policy::accept;
    std::string comment = {};  ///< any text; what nft cannot take of it is replaced or cut off
};

/// The ranges of one family, in their order.
std::vector<reach::AddressRange> ofFamily(const std::vector<reach::AddressRange>& ranges,
                                          reach::Family family);

/// `rest` for packets from `addresses`: one rule for each family that occurs among them; none for no
/// addresses.
std::vector<NftRule> rulesFrom(const std::vector<reach::AddressRange>& addresses, const NftRule& rest);
/// Likewise for packets to `addresses`.
std::vector<NftRule> rulesTo(const std::vector<reach::AddressRange>& addresses, const NftRule& rest);

/// A table of family inet with one base chain of type filter, which has the name of its hook.
struct NftTable {
    std::string name;
    reach::Hook hook = reach::Hook::input;
    int priority = 0;
    reach::Policy policy = reach::Policy::drop;
    std::vector<NftRule> rules;

    void add(NftRule rule) { rules.push_back(std::move(rule)); }
    void add(const std::vector<NftRule>& more) { rules.insert(rules.end(), more.begin(), more.end()); }
};

/// "ip saddr 10.77.0.10 tcp dport 80 accept": without its comment, as it follows `nft add rule inet f input`.
std::string ruleText(const NftRule& rule);

/// A whole ruleset that replaces an older one of that name when it is loaded, and touches no other table.
std::string tableText(const NftTable& table);
/// The same as `nft -j list ruleset` prints it.
std::string tableJson(const NftTable& table);

}  // namespace lapwing::analysis::exposure
