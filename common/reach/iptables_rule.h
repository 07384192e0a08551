#pragma once

// One rule of an iptables-save listing; private to this library.

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

/// The statements of one rule. Jumps go to chains of `table`; effects beyond the rule (marks, notrack) are
/// noted in `model`. Nothing where the options do not make a rule that iptables-save prints: an option
/// without its module, or with too many values. An unknown module is no error, but an unknown match.
std::optional<std::vector<Statement>> readIptablesRule(const std::vector<IptablesOption>& options,
                                                       Family family, const Table& table,
                                                       Ruleset::Model& model);

}  // namespace lapwing::reach
