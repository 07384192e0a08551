#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/host/interfaces.h"
#include "agent/host/listeners.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent::firewall {

/// The ruleset's verdict about one listener and one source.
struct PortVerdict {
    reach::Family family = reach::Family::ipv4;
    std::string protocol;
    std::uint16_t port = 0;
    std::string source;  ///< "any" or an address
    reach::Verdict verdict = reach::Verdict::may;
    bool operator==(const PortVerdict&) const = default;
};

struct DefaultDeny {
    reach::Family family = reach::Family::ipv4;
    std::optional<bool> denies;  ///< nothing where it is uncertain
};

struct Verdicts {
    std::vector<DefaultDeny> defaults;  ///< of each family in which this host has an address
    std::vector<PortVerdict> ports;     ///< sorted, unique
    std::vector<std::string> unknowns;  ///< the reasons of uncertain verdicts
};

/// A source and the interface on which its packets arrive ("" where it is unknown).
struct PeerSource {
    reach::Address address;
    std::string interface;
    bool operator==(const PeerSource&) const = default;
};

/// A port is reachable if one interface lets packets through, and blocked if every interface blocks them.
/// Pure.
Verdicts judge(const reach::Ruleset& ruleset, const std::vector<Listener>& listeners,
               const std::vector<InterfaceAddress>& addresses, const std::vector<PeerSource>& peers);

}  // namespace lapwing::agent::firewall
