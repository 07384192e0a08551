#include "agent/attempts/sources.h"

#include <algorithm>
#include <cstddef>

#include "agent/host/interfaces.h"

namespace lapwing::agent {

namespace {

constexpr std::size_t kMostSources = 3;

}  // namespace

std::vector<Source> sourcesTowards(const reach::Address& peer) {
    const auto main = sourceTowards(peer);
    const auto addresses = listInterfaceAddresses(InterfaceState::up);
    if (!main || !addresses) {
        return {};
    }
    std::vector<Source> out{{*main, false}};
    const auto main_interface = std::find_if(addresses->begin(), addresses->end(),
                                             [&](const auto& each) { return each.address == *main; });
    if (main_interface == addresses->end()) {
        return out;
    }
    for (const auto& each : *addresses) {
        const bool usable = each.name == main_interface->name && each.address.family == main->family &&
                            each.address != *main && !each.address.isLinkLocal();
        if (usable && out.size() < kMostSources) {
            out.push_back({each.address, true});
        }
    }
    return out;
}

}  // namespace lapwing::agent
