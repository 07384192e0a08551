#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/attempts/attempts.h"
#include "common/error.h"
#include "common/reach/address.h"

namespace lapwing::agent {

struct Target {
    std::string host;
    reach::Address address;
    std::uint16_t port = 0;
    std::string service;
    std::int64_t since_us = 0;  ///< on the collector's clock
    auto operator<=>(const Target&) const = default;
};

struct CanaryOrder {
    bool listens = false;
    std::string id;
    std::string peer;
    reach::Address address;  ///< of the peer
    std::uint16_t port = 0;
    std::string nonce;
    std::int64_t at_us = 0;  ///< on the collector's clock
};

struct Orders {
    std::string version;
    std::vector<Peer> peers;  ///< at which the orders may be carried out
    std::vector<Target> targets;
    std::vector<CanaryOrder> canaries;
};

/// What this host knows of its own networks.
struct Surroundings {
    std::string host;
    std::vector<reach::Address> own;            ///< its addresses
    std::vector<reach::AddressRange> attached;  ///< networks that it is directly attached to, one by one
    bool operator==(const Surroundings&) const = default;
};

/// Loopback and link-local networks are left out.
Surroundings surroundingsOf(const std::string& host);

/// The most peers that an agent discovers, by address: the first of the collector's list.
inline constexpr std::size_t kMostDiscovered = 256;

/// The peers that the configuration names, and those that the collector's assignment lists as joined and
/// that are within the networks of the discovery. This host itself, its own addresses and hosts that the
/// configuration names are no discovered peers. The control port is a usual one (80, 443, 22) that the peer
/// listens on.
std::vector<Peer> peersOf(std::string_view json, const std::vector<Peer>& named,
                          const PeerDiscovery& discovery, const Surroundings& here);

/// Reads an assignment. An order must be about a peer that the configuration names, at its address there:
/// the agent does nothing else, whatever the collector asks. Left out: all other orders, other protocols
/// than TCP, ports out of range, a canary's port below 20000. Error `protocol` for a malformed assignment.
Expected<Orders> parseAssignment(std::string_view json, const std::vector<Peer>& peers, bool canary);

}  // namespace lapwing::agent
