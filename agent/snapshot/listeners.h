#pragma once

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

/// Sockets in LISTEN (TCP) or bound and not connected (UDP), of both families: asks the kernel by sock_diag,
/// which tells everybody but without the owners. Where the kernel has no sock_diag, reads `proc`/net/tcp and
/// its kin, which do not tell whether an IPv6 socket takes IPv4 too: then it is taken to.
Expected<std::vector<Listener>> listListeners(const std::string& proc);

/// Reads one file such as /proc/net/tcp6. Lines that are not understood are left out.
std::vector<Listener> parseProcNet(std::string_view text, const std::string& protocol, bool ipv6);

/// Reads one netlink datagram of answers to a sock_diag dump. False once the dump has ended.
Expected<bool> parseSockDiag(const char* data, std::size_t size, const std::string& protocol,
                             std::vector<Listener>& out);

}  // namespace lapwing::agent
