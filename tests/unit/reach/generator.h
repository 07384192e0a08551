#pragma once

#include <random>
#include <string>
#include <vector>

namespace lapwing::test {

/// One generated firewall of the server's namespace: every construct that the evaluator knows, thrown
/// together.
struct GeneratedRules {
    std::string nft;              ///< a whole ruleset for `nft -f`
    std::string changes;          ///< of its sets, for `nft -f` once it is loaded
    std::string iptables_nft;     ///< for iptables-nft-restore, beside it; "": none
    std::string iptables_legacy;  ///< for iptables-legacy-restore, likewise
    std::string ip6tables_legacy;
    std::vector<std::string>
        routes;  ///< "route TYPE PREFIX", "rule ..." for `ip` with add, and del afterwards
    int rp_filter = 0;
    bool modelled = true;  ///< the evaluator knows each of its constructs
};

GeneratedRules generateRules(std::mt19937& random);

}  // namespace lapwing::test
