#include "collector/analysis/evidence/address_index.h"

#include <algorithm>

#include "collector/analysis/evidence/network.h"
#include "common/endpoint.h"

namespace lapwing::analysis::evidence {

AddressIndex::AddressIndex(const Network& network) {
    for (const auto& [name, host] : network.hosts) {
        for (const auto& held : host.addresses) {
            holders_.emplace(held.address, name);
        }
    }
    for (const auto& [instance, balancer] : network.balancers) {
        for (const auto& server : balancer.servers) {
            const auto endpoint = Endpoint::parse(server.address);
            const auto address = endpoint ? endpoint->address() : std::nullopt;
            if (!address) {
                continue;
            }
            known_[server.server].push_back(*address);
            if (const auto* name = holder(*address); name != nullptr) {
                known_[*name].push_back(*address);
            }
        }
    }
    for (const auto& [name, host] : network.hosts) {
        for (const auto& attempt : host.attempts) {
            if (const auto address = reach::Address::parse(attempt.address)) {
                known_[name].push_back(*address);
            }
            const auto source = reach::Address::parse(attempt.source);
            if (source && attempt.second) {
                second_[attempt.from].insert(*source);
            } else if (source) {
                known_[attempt.from].push_back(*source);
            }
        }
    }
    for (auto& [name, addresses] : known_) {
        std::sort(addresses.begin(), addresses.end());
        addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    }
}

const std::string* AddressIndex::holder(const reach::Address& address) const {
    const auto found = holders_.find(address);
    return found == holders_.end() ? nullptr : &found->second;
}

const std::vector<reach::Address>& AddressIndex::known(const std::string& host) const {
    static const std::vector<reach::Address> none;
    const auto found = known_.find(host);
    return found == known_.end() ? none : found->second;
}

bool AddressIndex::isSecond(const std::string& host, const reach::Address& address) const {
    const auto found = second_.find(host);
    return found != second_.end() && found->second.contains(address);
}

}  // namespace lapwing::analysis::evidence
