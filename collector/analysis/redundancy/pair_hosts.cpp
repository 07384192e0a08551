#include "collector/analysis/redundancy/pair_hosts.h"

#include <algorithm>
#include <set>

#include "common/endpoint.h"

namespace lapwing::analysis::redundancy {

namespace {

using reach::Address;
using reach::AddressRange;

constexpr unsigned kNetwork4 = 24;
constexpr unsigned kNetwork6 = 64;
constexpr int kFirstLast = 100;  ///< the proposed address ends with this number or a higher one
constexpr int kLastLast = 250;
constexpr int kFirstRouter = 51;
constexpr int kLastRouter = 255;

AddressRange networkOf(const Address& address) {
    return AddressRange::prefix(address, address.family == reach::Family::ipv4 ? kNetwork4 : kNetwork6);
}

/// Every address that the site is known to use.
std::set<Address> usedAddresses(const Context& context) {
    std::set<Address> out = context.moment->services.moving();
    for (const auto& [name, host] : context.network.hosts) {
        for (const auto* list : {&host.addresses, &host.last_addresses}) {
            for (const auto& each : *list) {
                out.insert(each.address);
            }
        }
    }
    for (const auto& [host, connections] : context.moment->services.outgoing) {
        for (const auto& [place, count] : connections) {
            out.insert(place.first);
        }
    }
    for (const auto& [host, ports] : context.moment->services.incoming) {
        for (const auto& [port, clients] : ports) {
            for (const auto& [address, count] : clients.named) {
                out.insert(address);
            }
        }
    }
    for (const auto& entry : context.moment->model.entries) {
        if (entry.address) {
            out.insert(*entry.address);
        }
    }
    for (const auto& pool : context.moment->model.pools) {
        for (const auto& member : pool.members) {
            const auto endpoint = Endpoint::parse(member.server.address);
            if (const auto address = endpoint ? endpoint->address() : std::nullopt) {
                out.insert(*address);
            }
        }
    }
    return out;
}

}  // namespace

std::optional<Address> freeAddress(const Context& context, const Address& near) {
    if (near.family == reach::Family::ipv4 && !near.isPrivate()) {
        return std::nullopt;
    }
    const auto used = usedAddresses(context);
    const bool four = near.family == reach::Family::ipv4;
    const auto network = networkOf(near).toString();
    const auto head = network.substr(0, network.rfind(four ? "." : ":", network.find('/')) + 1);
    for (int last = kFirstLast; last <= kLastLast; ++last) {
        const auto candidate = Address::parse(head + std::to_string(last));
        if (candidate && !used.contains(*candidate)) {
            return candidate;
        }
    }
    return std::nullopt;
}

int freeRouter(const Context& context) {
    std::set<std::string> used;
    for (const auto& [host, vrrp] : context.moment->services.vrrp) {
        for (const auto& instance : vrrp.instances) {
            used.insert(instance.virtual_router_id);
        }
    }
    int id = kFirstRouter;
    while (id < kLastRouter && used.contains(std::to_string(id))) {
        ++id;
    }
    return id;
}

Side sideOf(const Context& context, const std::string& name, const Address& near,
            const std::string& variable) {
    Side out;
    out.host = name;
    const auto host = context.network.hosts.find(name);
    const auto known = evidence::likelyAddresses(context.network, name);
    for (const auto& each : host == context.network.hosts.end() ? std::vector<evidence::HostAddress>{}
                                                                : host->second.addresses) {
        const bool fits =
            networkOf(near).contains(each.address) && context.moment->services.moversOf(each.address).empty();
        const bool better = !out.address || each.address == near ||
                            std::find(known.begin(), known.end(), each.address) != known.end();
        if (fits && better && out.address != near) {
            out.address = each.address;
            out.interface = each.interface;
        }
    }
    out.address_text = out.address ? out.address->toString() : "$" + variable;
    out.interface_text = out.interface.empty() ? "$INTERFACE" : out.interface;
    return out;
}

}  // namespace lapwing::analysis::redundancy
