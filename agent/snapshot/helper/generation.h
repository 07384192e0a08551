#pragma once

#include <cstdint>

namespace lapwing::agent {

/// The number that nftables raises with each change of its rules or sets, in this network namespace; 0 if it
/// cannot be read. Elements that expire, or that rules add themselves, do not raise it.
std::uint64_t rulesetGeneration();

}  // namespace lapwing::agent
