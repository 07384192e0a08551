#pragma once

#include <linux/inet_diag.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::agent {

/// Asks the kernel for the sockets of this network namespace (sock_diag(7)) whose state is among `states`
/// (bits, as linux/tcp.h numbers them). `take` gets each netlink datagram and returns whether more follow.
/// Errors: `denied`, `unavailable`, and those of `take`.
Expected<void> dumpSockets(int family, int protocol, unsigned states,
                           const std::function<Expected<bool>(const char*, std::size_t)>& take);

/// Calls `each` with every socket of one netlink datagram and its attributes. False once the dump has ended.
/// Errors: `protocol` for a truncated message, `unavailable` where the kernel reports an error.
Expected<bool> forEachSocket(
    const char* data, std::size_t size,
    const std::function<void(const inet_diag_msg& socket, std::string_view attributes)>& each);

/// An address in its usual form: "10.0.0.1", "fe80::1".
std::string addressText(int family, const void* bytes);

/// Turns an IPv4-mapped address ("::ffff:10.0.0.1") into the IPv4 address; false for any other address.
bool unmap(std::string& address);

}  // namespace lapwing::agent
