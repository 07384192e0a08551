#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include "common/reach/address.h"

namespace lapwing::agent {

/// An address and port in the kernel's form, of IPv4 or IPv6.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socketAddress(const reach::Address& address, std::uint16_t port);

/// The address, without its port and zone; nothing for other families than IPv4 and IPv6.
std::optional<reach::Address> addressOf(const sockaddr& from);

}  // namespace lapwing::agent
