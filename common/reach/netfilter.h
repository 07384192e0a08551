#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lapwing::reach {

// The words of nftables for its tables and chains (nft(8), "TABLES" and "CHAINS"). Each has one spelling,
// which the functions below print and read; reading gives nothing for any other word.

enum class TableFamily { ip, ip6, inet, netdev, bridge, arp };
enum class ChainType { filter, nat, route };
enum class Hook { ingress, prerouting, input, forward, output, postrouting, egress };
enum class Policy { accept, drop };

const char* tableFamilyName(TableFamily family);
const char* chainTypeName(ChainType type);
const char* hookName(Hook hook);
const char* policyName(Policy policy);

std::optional<TableFamily> parseTableFamily(std::string_view word);
std::optional<ChainType> parseChainType(std::string_view word);
std::optional<Hook> parseHook(std::string_view word);
std::optional<Policy> parsePolicy(std::string_view word);

/// IP protocol numbers (IANA, "Assigned Internet Protocol Numbers"). Rulesets for small systems use the
/// numbers: without /etc/protocols, nft and iptables know no names.
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kVrrp = 112;

/// Types of ICMPv6 (RFC 4861, 4.3 and 4.4).
inline constexpr std::uint8_t kNeighbourSolicitation = 135;
inline constexpr std::uint8_t kNeighbourAdvertisement = 136;

}  // namespace lapwing::reach
