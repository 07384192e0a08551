#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent {

/// One listening socket of this network namespace.
struct Listener {
    std::string protocol;  ///< "tcp", "udp"
    std::string address;   ///< "0.0.0.0", "::", "127.0.0.1"
    bool ipv6 = false;
    std::uint16_t port = 0;
    std::uint64_t inode = 0;
    bool v6only = true;  ///< false: an IPv6 socket that takes IPv4 too
    bool operator==(const Listener&) const = default;
};

/// Sockets in LISTEN (TCP) or bound and not connected (UDP), of both families. Asks the kernel by sock_diag,
/// which needs no privileges. Without sock_diag, the function reads `proc`/net/{tcp,tcp6,udp,udp6}. These
/// files do not say whether an IPv6 socket accepts IPv4 too, so the function assumes that it does.
Expected<std::vector<Listener>> listListeners(const std::string& proc);

/// Reads one file such as /proc/net/tcp6. Malformed lines are left out.
std::vector<Listener> parseProcNet(std::string_view text, const std::string& protocol, bool ipv6);

/// Reads one netlink datagram of answers to a sock_diag dump. False once the dump has ended.
Expected<bool> parseSockDiag(const char* data, std::size_t size, const std::string& protocol,
                             std::vector<Listener>& out);

}  // namespace lapwing::agent
