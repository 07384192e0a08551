#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lapwing::reach {

enum class Family { ipv4, ipv6 };

/// "ipv4", "ipv6".
const char* familyName(Family family);
std::optional<Family> parseFamily(std::string_view word);

/// An unsigned number of up to 128 bits, big-endian, so that comparing the bytes compares the numbers. IPv4
/// addresses take the last four bytes.
using Key = std::array<std::uint8_t, 16>;

Key keyOf(std::uint64_t number);
/// Wrap around at the ends.
Key next(Key key);
Key previous(Key key);

struct Address {
    Family family = Family::ipv4;
    Key key{};
    auto operator<=>(const Address&) const = default;

    /// "10.0.0.1", "fe80::1". No names, no zones.
    static std::optional<Address> parse(std::string_view text);
    std::string toString() const;
    bool isLoopback() const;
    /// IPv6's fe80::/10 (RFC 4291, 2.5.6), reachable from its own link only.
    bool isLinkLocal() const;
    /// Not routed on the Internet: private (RFC 1918, RFC 4193), shared (RFC 6598), link-local, loopback,
    /// documentation.
    bool isPrivate() const;
};

/// All addresses from `low` to `high`, both included.
struct AddressRange {
    Family family = Family::ipv4;
    Key low{};
    Key high{};
    bool operator==(const AddressRange&) const = default;

    static AddressRange all(Family family);
    static AddressRange of(const Address& address) { return {address.family, address.key, address.key}; }
    /// The network of `address` with that many leading bits.
    static AddressRange prefix(const Address& address, unsigned length);
    /// "10.0.0.0/8", "10.0.0.1-10.0.0.9" or an address alone.
    static std::optional<AddressRange> parse(std::string_view cidr);

    bool contains(const Address& address) const {
        return address.family == family && low <= address.key && address.key <= high;
    }
    bool contains(const AddressRange& other) const {
        return other.family == family && low <= other.low && other.high <= high;
    }
    /// "10.0.0.0/8" for a network, else "10.0.0.1-10.0.0.9".
    std::string toString() const;
};

/// The parts of `ranges` that no range of `without` covers. `ranges` are of one family; the result is
/// ascending, with neighbours merged.
std::vector<AddressRange> subtract(std::vector<AddressRange> ranges,
                                   const std::vector<AddressRange>& without);

}  // namespace lapwing::reach
