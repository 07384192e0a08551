#pragma once

#include <random>
#include <string>
#include <vector>

namespace lapwing::test {

/// A ruleset as programs or people write it, for the server's namespace.
struct RealRules {
    struct Save {
        std::string tool;  ///< "iptables-nft": its -restore loads the text
        std::string text;
    };
    std::string name;
    std::string nft_json;  ///< as `nft -j list ruleset` prints it, for `nft -j -f`; "" if none
    std::vector<Save> saves;
};

/// Changes a ruleset in one place: drops, swaps, moves or repeats a rule, changes a port, an address, a
/// state, a target, a policy or a priority, or negates a match. Other tools may refuse the result.
RealRules mutated(const RealRules& rules, std::mt19937& random);

}  // namespace lapwing::test
