#include "common/reach/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>

#include "common/enum_names.h"

namespace lapwing::reach {

namespace {

constexpr unsigned kIpv4Bits = 32;
constexpr unsigned kKeyBits = 128;
constexpr std::array kFamilies{
    EnumName<Family>{Family::ipv4, "ipv4"},
    EnumName<Family>{Family::ipv6, "ipv6"},
};

unsigned bitsOf(Family family) {
    return family == Family::ipv4 ? kIpv4Bits : kKeyBits;
}

/// The key's last `bits` bits set to `one`.
Key fill(Key key, unsigned bits, bool one) {
    for (unsigned i = 0; i < key.size(); ++i) {
        const unsigned from_end = static_cast<unsigned>(key.size() - 1 - i) * 8;
        if (bits <= from_end) {
            continue;
        }
        const unsigned here = std::min(8U, bits - from_end);
        const auto mask = static_cast<std::uint8_t>((1U << here) - 1U);
        key[i] = static_cast<std::uint8_t>(one ? key[i] | mask : key[i] & ~mask);
    }
    return key;
}

bool inAny(const Address& address, std::initializer_list<const char*> networks) {
    return std::any_of(networks.begin(), networks.end(), [&](const char* network) {
        const auto range = AddressRange::parse(network);
        return range && range->contains(address);
    });
}

}  // namespace

const char* familyName(Family family) {
    return nameOf(kFamilies, family);
}

std::optional<Family> parseFamily(std::string_view word) {
    return valueOf(kFamilies, word);
}

Key keyOf(std::uint64_t number) {
    Key key{};
    for (std::size_t i = 0; i < 8; ++i) {
        key[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    }
    return key;
}

Key next(Key key) {
    for (std::size_t i = key.size(); i-- > 0;) {
        if (++key[i] != 0) {
            break;
        }
    }
    return key;
}

Key previous(Key key) {
    for (std::size_t i = key.size(); i-- > 0;) {
        if (key[i]-- != 0) {
            break;
        }
    }
    return key;
}

std::optional<Address> Address::parse(std::string_view text) {
    const std::string copy(text);
    Address address;
    if (inet_pton(AF_INET, copy.c_str(), address.key.data() + 12) == 1) {
        return address;
    }
    address.family = Family::ipv6;
    address.key = {};
    if (inet_pton(AF_INET6, copy.c_str(), address.key.data()) == 1) {
        return address;
    }
    return std::nullopt;
}

std::string Address::toString() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = family == Family::ipv4;
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? key.data() + 12 : key.data(), text.data(), text.size());
    return text.data();
}

bool Address::isLoopback() const {
    return inAny(*this, {"127.0.0.0/8", "::1"});
}

bool Address::isLinkLocal() const {
    return inAny(*this, {"fe80::/10"});
}

bool Address::isPrivate() const {
    return inAny(*this, {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
                         "127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15",
                         "::1", "fc00::/7", "fe80::/10", "2001:db8::/32"});
}

AddressRange AddressRange::all(Family family) {
    return {family, Key{}, fill(Key{}, bitsOf(family), true)};
}

AddressRange AddressRange::prefix(const Address& address, unsigned length) {
    const unsigned bits = bitsOf(address.family);
    const unsigned host_bits = bits - std::min(length, bits);
    return {address.family, fill(address.key, host_bits, false), fill(address.key, host_bits, true)};
}

std::optional<AddressRange> AddressRange::parse(std::string_view cidr) {
    const auto dash = cidr.find('-');
    if (dash != std::string_view::npos) {
        const auto first = Address::parse(cidr.substr(0, dash));
        const auto last = Address::parse(cidr.substr(dash + 1));
        const bool fits = first && last && first->family == last->family && first->key <= last->key;
        return fits ? std::optional(AddressRange{first->family, first->key, last->key}) : std::nullopt;
    }
    const auto slash = cidr.find('/');
    const auto address = Address::parse(cidr.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    if (slash == std::string_view::npos) {
        return of(*address);
    }
    const auto digits = cidr.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length > bitsOf(address->family)) {
        return std::nullopt;
    }
    return prefix(*address, length);
}

std::string AddressRange::toString() const {
    const Address first{family, low};
    if (low == high) {
        return first.toString();
    }
    unsigned same = 0;  // leading bits
    const auto differ = [&](unsigned bit) {
        return (((low[bit / 8] ^ high[bit / 8]) >> (7U - bit % 8)) & 1) != 0;
    };
    while (!differ(same)) {
        ++same;
    }
    const unsigned length = same - (kKeyBits - bitsOf(family));
    if (prefix(first, length) == *this) {
        return first.toString() + "/" + std::to_string(length);
    }
    return first.toString() + "-" + Address{family, high}.toString();
}

namespace {

/// Sorts the ranges and merges neighbours.
void unite(std::vector<AddressRange>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (kept > 0 &&
            (ranges[i].low <= ranges[kept - 1].high || previous(ranges[i].low) == ranges[kept - 1].high)) {
            ranges[kept - 1].high = std::max(ranges[kept - 1].high, ranges[i].high);
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    ranges.resize(kept);
}

}  // namespace

std::vector<AddressRange> subtract(std::vector<AddressRange> ranges,
                                   const std::vector<AddressRange>& without) {
    unite(ranges);
    if (ranges.empty()) {
        return ranges;
    }
    std::vector<AddressRange> cuts;
    std::copy_if(without.begin(), without.end(), std::back_inserter(cuts),
                 [&](const auto& cut) { return cut.family == ranges[0].family; });
    unite(cuts);
    if (cuts.empty()) {
        return ranges;
    }
    std::vector<AddressRange> out;
    auto cut = cuts.begin();
    for (auto range : ranges) {
        while (cut != cuts.end() && cut->high < range.low) {
            ++cut;
        }
        bool left = true;
        for (auto at = cut; left && at != cuts.end() && at->low <= range.high; ++at) {
            if (range.low < at->low) {
                out.push_back({range.family, range.low, previous(at->low)});
            }
            left = at->high < range.high;
            if (left) {
                range.low = next(at->high);
            }
        }
        if (left) {
            out.push_back(range);
        }
    }
    return out;
}

}  // namespace lapwing::reach
