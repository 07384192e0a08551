#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/reach/address.h"

namespace lapwing::agent::firewall {

/// One address of an interface that is up; loopback interfaces are left out.
struct InterfaceAddress {
    std::string interface;
    reach::Address address;
    bool operator==(const InterfaceAddress&) const = default;
};

Expected<std::vector<InterfaceAddress>> listInterfaceAddresses();

/// The own address from which packets to `peer` leave: the kernel's choice, nothing is sent. Errors:
/// `unreachable`.
Expected<reach::Address> sourceTowards(const reach::Address& peer);

}  // namespace lapwing::agent::firewall
