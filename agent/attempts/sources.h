#pragma once

#include <vector>

#include "common/reach/address.h"

namespace lapwing::agent {

/// An address of this host that attempts are made from.
struct Source {
    reach::Address address;
    bool second = false;
};

/// The address from which packets to the peer leave, then at most two further addresses of the same interface
/// and family. Empty where no route leads to the peer.
std::vector<Source> sourcesTowards(const reach::Address& peer);

}  // namespace lapwing::agent
