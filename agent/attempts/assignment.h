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
    reach::Address address;  ///< of the peer, to connect to
    std::uint16_t port = 0;
    std::string nonce;
    std::int64_t at_us = 0;  ///< on the collector's clock
};

struct Orders {
    std::string version;
    std::vector<Target> targets;
    std::vector<CanaryOrder> canaries;
};

/// Reads an assignment and leaves out whatever is not about a peer of the configuration, by its address
/// there: the collector may ask for anything, the agent does not do it. Also left out: anything but TCP,
/// ports out of range, a canary's port below 1024. Error `protocol` for what is no assignment.
Expected<Orders> parseAssignment(std::string_view json, const std::vector<Peer>& peers, bool canary);

}  // namespace lapwing::agent
