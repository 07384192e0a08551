#pragma once

#include <vector>

#include "common/error.h"
#include "common/reach/address.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent {

using InterfaceAddress = reach::Host::Interface;

enum class InterfaceState { up, up_or_down };

/// The IPv4 and IPv6 addresses of this network namespace's interfaces in that state, in the kernel's order.
/// Loopback interfaces are left out. Error `unavailable`.
Expected<std::vector<InterfaceAddress>> listInterfaceAddresses(InterfaceState state);

/// The address of this host from which packets to `peer` leave, as the kernel's routes say; sends nothing.
/// Error `unreachable`.
Expected<reach::Address> sourceTowards(const reach::Address& peer);

}  // namespace lapwing::agent
