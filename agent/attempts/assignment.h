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
    std::vector<Target> targets;
    std::vector<CanaryOrder> canaries;
};

/// Reads an assignment. An order must be about a peer that the configuration names, at its address there:
/// the agent does nothing else, whatever the collector asks. Left out: all other orders, other protocols
/// than TCP, ports out of range, a canary's port below 20000. Error `protocol` for a malformed assignment.
Expected<Orders> parseAssignment(std::string_view json, const std::vector<Peer>& peers, bool canary);

}  // namespace lapwing::agent
