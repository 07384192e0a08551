#pragma once

// One rule of an iptables-save listing; private to this library.

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

    std::string value() const { return values.empty() ? "" : values[0]; }
};

/// The options of a line such as "-A INPUT -p tcp ! --dport 22 -j DROP", in their order.
std::vector<IptablesOption> iptablesOptions(std::string_view line);

/// The statements of one rule. Jumps go to chains of `table`; effects beyond the rule (marks, notrack) are
/// noted in `model`.
std::vector<Statement> readIptablesRule(const std::vector<IptablesOption>& options, Family family,
                                        const Table& table, Ruleset::Model& model);

}  // namespace lapwing::reach
