#pragma once

#include <string>

#include "collector/analysis/evidence/network.h"
#include "collector/analysis/exposure/nft_ruleset.h"

namespace lapwing::analysis::exposure {

// How an administrator loads the rules that a finding proposes: commands for root's shell, with comments. The
// rules are tried for five minutes, and go again by themselves unless the last step keeps them. Pure; safe
// from any thread.

/// The program that keeps the rules of a host over a reboot.
enum class RulesKeeper {
    nftables,  ///< nftables.service, or none: then it becomes this one
    ufw,
    firewalld,
    netfilter_persistent,  ///< Debian's iptables-persistent
    other,                 ///< another, or not known: the rules get a unit of their own
};

RulesKeeper rulesKeeper(const evidence::BootRules& boot);

/// The steps for `table` on the host, in the form of its keeper. A keeper that has no form for such rules
/// leaves them alone: they are then nftables' and get a unit of their own.
std::string loadingSteps(const evidence::Host& host, const NftTable& table);

/// The file with the rules of a table that Lapwing proposes.
std::string nftFileOf(const std::string& table);

/// The commands by which the boot loads that file.
std::string atBoot(const evidence::BootRules& boot, const std::string& table);

}  // namespace lapwing::analysis::exposure
