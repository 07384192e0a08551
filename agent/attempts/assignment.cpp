#include "agent/attempts/assignment.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agent/host/interfaces.h"
#include "common/json.h"

namespace lapwing::agent {

namespace {

constexpr std::size_t kMostTargets = 256;
constexpr std::size_t kMostCanaries = 32;
// Above the ports that services use, so that a canary never takes one of them.
constexpr std::int64_t kLowestCanaryPort = 20'000;
constexpr std::int64_t kHighestPort = 65535;
constexpr std::size_t kShortestNonce = 16;
constexpr std::size_t kLongestText = 128;
constexpr std::int64_t kLatestUs = 1LL << 53;  // in 2255: sums of it stay within every clock

/// The member, or "" where it is longer than any that a collector sends.
std::string text(const json::Value& object, const char* name) {
    auto out = json::text(object, name);
    return out.size() <= kLongestText ? out : "";
}

std::int64_t number(const json::Value& object, const char* name) {
    return json::integer(object, name).value_or(0);
}

void readTarget(const json::Value& item, const std::vector<Peer>& peers, std::vector<Target>& out) {
    const auto address = reach::Address::parse(text(item, "address"));
    const auto port = number(item, "port");
    if (!address || text(item, "protocol") != "tcp" || port < 1 || port > kHighestPort) {
        return;
    }
    for (const auto& peer : peers) {
        if (reach::Address::parse(peer.address) == *address) {
            out.push_back({peer.host, *address, static_cast<std::uint16_t>(port), text(item, "service"),
                           number(item, "since")});
            return;
        }
    }
}

void readCanary(const json::Value& item, const std::vector<Peer>& peers, std::vector<CanaryOrder>& out) {
    const auto role = text(item, "role");
    const auto port = number(item, "port");
    CanaryOrder order;
    order.listens = role == "listen";
    order.id = text(item, "id");
    order.peer = text(item, "host");
    order.nonce = text(item, "nonce");
    order.at_us = number(item, "at");
    if ((role != "listen" && role != "connect") || port < kLowestCanaryPort || port > kHighestPort ||
        order.nonce.size() < kShortestNonce || order.id.empty() || order.at_us < 0 ||
        order.at_us > kLatestUs) {
        return;
    }
    order.port = static_cast<std::uint16_t>(port);
    for (const auto& peer : peers) {
        const auto address = reach::Address::parse(peer.address);
        if (peer.host != order.peer || !address) {
            continue;
        }
        order.address = *address;
        out.push_back(order);
        if (order.listens) {
            return;
        }
    }
}

/// A usual port among the listeners of an address, as the collector lists them; 0 for none.
int usualPortOf(const json::Value& document, const reach::Address& address) {
    std::set<std::int64_t> ports;
    for (const auto& item : json::items(json::member(document, "attempts"))) {
        if (reach::Address::parse(text(item, "address")) == address) {
            ports.insert(number(item, "port"));
        }
    }
    for (const int port : {80, 443, 22}) {
        if (ports.contains(port)) {
            return port;
        }
    }
    return 0;
}

}  // namespace

Surroundings surroundingsOf(const std::string& host) {
    Surroundings out;
    out.host = host;
    const auto interfaces = listInterfaceAddresses(InterfaceState::up);
    if (!interfaces) {
        return out;
    }
    for (const auto& each : *interfaces) {
        out.own.push_back(each.address);
        if (!each.address.isLinkLocal()) {
            out.attached.push_back(reach::AddressRange::prefix(each.address, each.prefix_length));
        }
    }
    return out;
}

std::vector<Peer> peersOf(std::string_view json, const std::vector<Peer>& named,
                          const PeerDiscovery& discovery, const Surroundings& here) {
    auto out = named;
    if (!discovery.on) {
        return out;
    }
    const auto& networks = discovery.within.empty() ? here.attached : discovery.within;
    const auto document = json::parse(json);
    for (const auto& item : json::items(json::member(document, "hosts"))) {
        const auto host = text(item, "host");
        const bool is_named =
            std::any_of(named.begin(), named.end(), [&](const Peer& each) { return each.host == host; });
        if (host.empty() || host == here.host || is_named) {
            continue;
        }
        for (const auto& each : json::texts(item, "addresses")) {
            const auto address = each.size() <= kLongestText ? reach::Address::parse(each) : std::nullopt;
            const bool near =
                address && std::any_of(networks.begin(), networks.end(),
                                       [&](const auto& network) { return network.contains(*address); });
            const bool own =
                address && std::find(here.own.begin(), here.own.end(), *address) != here.own.end();
            if (near && !own && out.size() < named.size() + kMostDiscovered) {
                out.push_back({host, address->toString(), usualPortOf(document, *address), true});
            }
        }
    }
    return out;
}

Expected<Orders> parseAssignment(std::string_view json, const std::vector<Peer>& peers, bool canary) {
    const auto document = json::parse(json);
    Orders orders;
    orders.version = text(document, "version");
    if (orders.version.empty()) {
        return fail(ErrorKind::protocol, "reading the assignments: not in the form that a collector sends");
    }
    orders.peers = peers;
    for (const auto& item : json::items(json::member(document, "attempts"))) {
        if (orders.targets.size() < kMostTargets) {
            readTarget(item, peers, orders.targets);
        }
    }
    for (const auto& item : json::items(json::member(document, "canary"))) {
        if (canary && orders.canaries.size() < kMostCanaries) {
            readCanary(item, peers, orders.canaries);
        }
    }
    return orders;
}

}  // namespace lapwing::agent
