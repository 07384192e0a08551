#include "agent/probes/sockets/connections.h"

#include <netinet/in.h>

#include <algorithm>
#include <string_view>

#include "agent/host/sock_diag.h"

namespace lapwing::agent::sockets {

namespace {

// linux/tcp.h: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT and CLOSE_WAIT, so that connections of single
// requests are seen too.
constexpr unsigned kStates = 1U << 1U | 1U << 4U | 1U << 5U | 1U << 6U | 1U << 8U;

}  // namespace

Expected<std::vector<Connection>> listConnections() {
    std::vector<Connection> out;
    for (const int family : {AF_INET, AF_INET6}) {
        auto done = dumpSockets(family, IPPROTO_TCP, kStates, [&](const char* data, std::size_t size) {
            return forEachSocket(data, size, [&](const inet_diag_msg& socket, std::string_view) {
                auto address = addressText(socket.idiag_family, socket.id.idiag_dst);
                unmap(address);
                out.push_back(
                    {ntohs(socket.id.idiag_sport), std::move(address), ntohs(socket.id.idiag_dport)});
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

}  // namespace lapwing::agent::sockets
