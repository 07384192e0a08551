#include "agent/probes/sockets/connections.h"

#include <netinet/in.h>

#include <algorithm>
#include <string_view>

#include "agent/host/sock_diag.h"
#include "common/reach/address.h"

namespace lapwing::agent::sockets {

namespace {

constexpr unsigned kEstablished = 1;  // linux/tcp.h
// Also FIN_WAIT1, FIN_WAIT2, TIME_WAIT and CLOSE_WAIT, so that connections of single requests are seen too.
constexpr unsigned kStates = 1U << kEstablished | 1U << 4U | 1U << 5U | 1U << 6U | 1U << 8U;

}  // namespace

Expected<std::vector<Connection>> listConnections() {
    std::vector<Connection> out;
    for (const int family : {AF_INET, AF_INET6}) {
        auto done = dumpSockets(family, IPPROTO_TCP, kStates, [&](const char* data, std::size_t size) {
            return forEachSocket(data, size, [&](const inet_diag_msg& socket, std::string_view) {
                auto address = addressText(socket.idiag_family, socket.id.idiag_dst);
                unmap(address);
                out.push_back({ntohs(socket.id.idiag_sport), std::move(address), ntohs(socket.id.idiag_dport),
                               socket.idiag_state == kEstablished});
            });
        });
        if (!done) {
            return tl::unexpected(done.error());
        }
    }
    return out;
}

std::map<std::pair<std::string, std::uint16_t>, int> outgoing(const std::vector<Connection>& connections,
                                                              const std::set<std::uint16_t>& listening,
                                                              std::size_t most) {
    std::map<std::pair<std::string, std::uint16_t>, int> counts;
    for (const auto& connection : connections) {
        if (!listening.contains(connection.local_port) && connection.remote_port != 0) {
            ++counts[{connection.remote_address, connection.remote_port}];
        }
    }
    std::vector<std::pair<std::pair<std::string, std::uint16_t>, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    sorted.resize(std::min(sorted.size(), most));
    return {sorted.begin(), sorted.end()};
}

std::map<std::pair<std::uint16_t, std::string>, int> incoming(const std::vector<Connection>& connections,
                                                              const std::set<std::uint16_t>& listening,
                                                              std::size_t most) {
    std::map<std::pair<std::uint16_t, std::string>, int> counts;
    std::map<std::uint16_t, std::size_t> named;
    for (const auto& connection : connections) {
        const auto client = reach::Address::parse(connection.remote_address);
        if (!connection.open || !listening.contains(connection.local_port) || !client ||
            client->isLoopback()) {
            continue;
        }
        const auto known = counts.find({connection.local_port, connection.remote_address});
        if (known != counts.end()) {
            ++known->second;
        } else if (client->isPrivate() && !client->isLinkLocal() && named[connection.local_port] < most) {
            ++named[connection.local_port];
            counts[{connection.local_port, connection.remote_address}] = 1;
        } else {
            ++counts[{connection.local_port, ""}];
        }
    }
    return counts;
}

}  // namespace lapwing::agent::sockets
