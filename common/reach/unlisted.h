#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace lapwing::reach {

/// Facts that `nft -j list ruleset` leaves out, as the kernel tells them.
struct Unlisted {
    using ChainName = std::tuple<std::string, std::string, std::string>;  ///< family, table, chain
    /// Of chains at ingress and egress, which nft 1.0.6 lists without their devices.
    std::map<ChainName, std::vector<std::string>> devices;
    /// "ipv4" or "ipv6", as the rule with that handle compares `meta nfproto`. Empty: it does not. nft does
    /// not list such a comparison where a reject follows.
    std::map<std::pair<ChainName, std::uint64_t>, std::vector<std::string>> families;
};

/// Whether the listing may lack one of them.
bool mayLackFacts(std::string_view nft_json);

/// The listing with these facts: devices as the member "dev", which newer versions of nft list, families as
/// a member of our own. Text that is not JSON comes back as it is.
std::string addUnlisted(std::string nft_json, const Unlisted& facts);

}  // namespace lapwing::reach
