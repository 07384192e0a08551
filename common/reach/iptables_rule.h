#pragma once

// One rule of an iptables-save listing; private to this library.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/reach/model.h"

namespace lapwing::reach {

/// An option of a rule and its values: `! --dport 22`.
struct IptablesOption {
    std::string name;
    bool negated = false;
    std::vector<std::string> values;
    bool quoted = false;  ///< one of the values stands in quotes

    std::string value() const { return values.empty() ? "" : values[0]; }
};

/// The options of a rule such as "-A INPUT -p tcp ! --dport 22 -j DROP", in their order; the first is -A.
/// Nothing for a text that iptables-save does not print.
std::optional<std::vector<IptablesOption>> iptablesOptions(std::string_view rule);

/// How many values an option has: they may look like options (`--comment -j`). Nothing where that is not
/// known.
std::optional<std::size_t> valueCountOf(const std::string& option);
/// Whether the option's module prints its value in quotes.
bool printsQuotes(const std::string& option);

/// `-j NAME` or `-g NAME`, with the options of the target.
struct IptablesTarget {
    std::string name;
    bool is_goto = false;
    std::map<std::string, std::string> options;
};

/// What the target does; nothing where it does nothing to a verdict. Jumps go to chains of `table`.
std::optional<Statement> targetStatement(const IptablesTarget& target, const Table& table);

/// The statements of one rule. Jumps go to chains of `table`; effects beyond the rule (marks, notrack) are
/// noted in `model`. Nothing where the options do not make a rule that iptables-save prints: an option
/// without its module, or with too many values. An unknown module is no error, but an unknown match.
std::optional<std::vector<Statement>> readIptablesRule(const std::vector<IptablesOption>& options,
                                                       Family family, const Table& table,
                                                       Ruleset::Model& model);

}  // namespace lapwing::reach
