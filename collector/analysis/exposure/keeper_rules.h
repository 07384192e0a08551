#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/exposure/nft_ruleset.h"

namespace lapwing::analysis::exposure {

// The rulesets that remedies propose, in the words of other programs than nft. Nothing where a program has no
// words for a rule. Pure; safe from any thread.

/// Commands of ufw for a table of the input hook. Its rules for loopback, ICMP and connections that exist are
/// ufw's own already.
std::optional<std::vector<std::string>> ufwCommands(const NftTable& table);

/// Likewise firewalld's rich rules, without quotes around them; their priorities keep their order.
std::optional<std::vector<std::string>> firewalldRules(const NftTable& table);

/// The chain of the table's rules for iptables-restore (ip6tables-restore: IPv6) without its table's lines:
/// ":LAPWING - [0:0]" and "-A LAPWING ...". Rules of the other family are left out.
std::optional<std::vector<std::string>> iptablesRules(const NftTable& table, reach::Family family);

/// "LAPWING": the chain of iptablesRules().
std::string iptablesChain(const NftTable& table);

}  // namespace lapwing::analysis::exposure
