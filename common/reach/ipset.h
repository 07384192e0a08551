#pragma once

// The sets of ipset; private to this library.

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/reach/intervals.h"

namespace lapwing::reach {

struct IpsetAddresses {
    Family family = Family::ipv4;
    std::shared_ptr<const AddressIndex> addresses;
};

/// The sets of addresses in the output of `ipset save`, by name. Others are left out: sets of ports, of
/// several dimensions, of sets, with masks or exceptions, and those in whose part a line is not understood.
/// None, if the text is not what ipset prints.
std::map<std::string, IpsetAddresses> parseIpsets(std::string_view save);

}  // namespace lapwing::reach
