#include "agent/host/socket_address.h"

#include <netinet/in.h>

#include <cstring>

namespace lapwing::agent {

SocketAddress socketAddress(const reach::Address& address, std::uint16_t port) {
    SocketAddress out;
    if (address.family == reach::Family::ipv4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address.key.data() + 12, sizeof v4.sin_addr);
        std::memcpy(&out.storage, &v4, sizeof v4);
        out.size = sizeof v4;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, address.key.data(), sizeof v6.sin6_addr);
        std::memcpy(&out.storage, &v6, sizeof v6);
        out.size = sizeof v6;
    }
    return out;
}

std::optional<reach::Address> addressOf(const sockaddr& from) {
    reach::Address address;
    if (from.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &from, sizeof v4);
        std::memcpy(address.key.data() + 12, &v4.sin_addr, sizeof v4.sin_addr);
        return address;
    }
    if (from.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &from, sizeof v6);
        address.family = reach::Family::ipv6;
        std::memcpy(address.key.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
        return address;
    }
    return std::nullopt;
}

}  // namespace lapwing::agent
