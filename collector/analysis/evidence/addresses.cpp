#include "collector/analysis/evidence/addresses.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "common/endpoint.h"

namespace lapwing::analysis::evidence {

namespace {

/// The addresses that a host's agent last reported, without loopback and link-local ones.
std::vector<reach::Address> routedAddresses(const Network& network, const std::string& host) {
    std::vector<reach::Address> out;
    const auto found = network.hosts.find(host);
    if (found == network.hosts.end()) {
        return out;
    }
    for (const auto& held : found->second.last_addresses) {
        if (!held.address.isLoopback() && !held.address.isLinkLocal()) {
            out.push_back(held.address);
        }
    }
    return out;
}

}  // namespace

const std::vector<reach::Address>& knownAddresses(const Network& network, const std::string& host) {
    return network.index.known(host);
}

std::vector<reach::Address> likelyAddresses(const Network& network, const std::string& host) {
    auto out = knownAddresses(network, host);
    std::set<reach::Family> known;
    for (const auto& address : out) {
        known.insert(address.family);
    }
    for (const auto& address : routedAddresses(network, host)) {
        if (!known.contains(address.family)) {
            out.push_back(address);
        }
    }
    return out;
}

std::vector<reach::Address> entryAddresses(const Site& site) {
    std::vector<reach::Address> out;
    for (const auto& url : site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        if (const auto address = endpoint ? endpoint->address() : std::nullopt) {
            out.push_back(*address);
        }
    }
    return out;
}

std::vector<reach::Address> balancerAddresses(const Network& network, const Site& site) {
    auto out = entryAddresses(site);
    for (const auto& [instance, balancer] : network.balancers) {
        for (const auto& addresses :
             {knownAddresses(network, instance), routedAddresses(network, instance)}) {
            out.insert(out.end(), addresses.begin(), addresses.end());
        }
    }
    return out;
}

std::vector<reach::AddressRange> siteHosts(const Network& network) {
    std::vector<reach::AddressRange> out;
    for (const auto& [name, host] : network.hosts) {
        const auto known = asRanges(likelyAddresses(network, name));
        out.insert(out.end(), known.begin(), known.end());
    }
    return out;
}

std::vector<reach::AddressRange> asRanges(const std::vector<reach::Address>& addresses) {
    std::vector<reach::AddressRange> out;
    std::transform(addresses.begin(), addresses.end(), std::back_inserter(out),
                   [](const auto& address) { return reach::AddressRange::of(address); });
    return out;
}

void sortUnique(std::vector<reach::AddressRange>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
        return std::tie(a.family, a.low, a.high) < std::tie(b.family, b.low, b.high);
    });
    ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());
}

}  // namespace lapwing::analysis::evidence
