#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "agent/attempts/connect.h"
#include "common/reach/address.h"

namespace lapwing::agent {

/// The result of one attempt.
struct Outcome {
    bool second_source = false;  ///< from a second address of the interface, not from its main one
    Attempted attempted = Attempted::not_tried;
    std::string greeting;    ///< of an open port, as greeting.h names it; "" without one
    std::int64_t at_us = 0;  ///< on the collector's clock
    std::chrono::steady_clock::time_point tried;
};

/// The two ends of an attempt.
struct AttemptKey {
    std::string host;  ///< the peer
    reach::Address address;
    std::uint16_t port = 0;  ///< 0 for canaries, whose port changes each time
    reach::Address source;
    auto operator<=>(const AttemptKey&) const = default;
};

using Outcomes = std::map<AttemptKey, Outcome>;

/// Whether a peer's control port answers: only then does silence of another port mean something.
struct Control {
    bool ok = false;
    int port = 0;
    std::chrono::steady_clock::time_point tried;
};

/// By host and address.
using Controls = std::map<std::pair<std::string, reach::Address>, Control>;

}  // namespace lapwing::agent
