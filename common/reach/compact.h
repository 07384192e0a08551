#pragma once

#include <string>
#include <string_view>

namespace lapwing::reach {

/// The output of `nft -j list ruleset` without what changes by itself (the time that is left to elements),
/// and with the addresses of large sets, or of sets with timeouts, as one text each: sorted, merged, and a
/// tenth of the size. Ruleset::parse() reads both forms. Another text comes back as it is.
std::string compactSets(std::string nft_json);

/// The sets of addresses in the output of `ipset save`, in the same form, without counters, comments and the
/// time that is left to elements.
std::string compactIpsets(std::string_view save);

}  // namespace lapwing::reach
