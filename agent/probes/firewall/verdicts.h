#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/host/interfaces.h"
#include "agent/host/listeners.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent::firewall {

/// What the ruleset says about one listener and one source.
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
    std::optional<bool> denies;  ///< nothing where it cannot be told
};

struct Verdicts {
    std::vector<DefaultDeny> defaults;  ///< of each family of which this host has an address
    std::vector<PortVerdict> ports;     ///< sorted, unique
    std::vector<std::string> unknowns;  ///< why something cannot be told
};

/// A source and the interface by which its packets arrive ("" where that is not known).
struct PeerSource {
    reach::Address address;
    std::string interface;
    bool operator==(const PeerSource&) const = default;
};

/// Reachable by one interface is reachable; blocked is what every interface blocks. Pure.
Verdicts judge(const reach::Ruleset& ruleset, const std::vector<Listener>& listeners,
               const std::vector<InterfaceAddress>& addresses, const std::vector<PeerSource>& peers);

}  // namespace lapwing::agent::firewall
