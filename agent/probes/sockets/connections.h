#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::sockets {

/// A TCP connection of this host, open or ended within the last minute.
struct Connection {
    std::uint16_t local_port = 0;
    std::string remote_address;
    std::uint16_t remote_port = 0;
    bool open = false;  ///< established, and not about to end
};

/// Asks the kernel by sock_diag. Error `unavailable` where the kernel lacks it.
Expected<std::vector<Connection>> listConnections();

/// Counts the connections that this host itself has made to each address and port: those whose local port
/// has no listener. At most `most` entries, the most frequent first. Pure.
std::map<std::pair<std::string, std::uint16_t>, int> outgoing(const std::vector<Connection>& connections,
                                                              const std::set<std::uint16_t>& listening,
                                                              std::size_t most);

/// Counts the open connections to each listening port, by the address of the client. Clients on this host are
/// left out. Only addresses that are not routed on the Internet are named, at most `most` for each port: the
/// rest of a port are counted under "". Pure.
std::map<std::pair<std::uint16_t, std::string>, int> incoming(const std::vector<Connection>& connections,
                                                              const std::set<std::uint16_t>& listening,
                                                              std::size_t most);

}  // namespace lapwing::agent::sockets
