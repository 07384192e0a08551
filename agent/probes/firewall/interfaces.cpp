#include "agent/probes/firewall/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace lapwing::agent::firewall {

namespace {

struct Freer {
    void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

reach::Address addressOf(const sockaddr& from) {
    reach::Address address;
    if (from.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &from, sizeof v4);
        std::memcpy(address.key.data() + 12, &v4.sin_addr, sizeof v4.sin_addr);
    } else {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &from, sizeof v6);
        address.family = reach::Family::ipv6;
        std::memcpy(address.key.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    }
    return address;
}

}  // namespace

Expected<std::vector<InterfaceAddress>> listInterfaceAddresses() {
    ifaddrs* raw = nullptr;
    if (getifaddrs(&raw) != 0) {
        return fail(ErrorKind::unavailable, std::string("listing addresses: ") + std::strerror(errno));
    }
    const std::unique_ptr<ifaddrs, Freer> list(raw);
    std::vector<InterfaceAddress> out;
    for (const auto* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
        const bool usable = entry->ifa_addr != nullptr && (entry->ifa_flags & IFF_UP) != 0 &&
                            (entry->ifa_flags & IFF_LOOPBACK) == 0 &&
                            (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
        if (usable) {
            out.push_back({entry->ifa_name, addressOf(*entry->ifa_addr)});
        }
    }
    return out;
}

Expected<reach::Address> sourceTowards(const reach::Address& peer) {
    const bool v4 = peer.family == reach::Family::ipv4;
    const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(ErrorKind::unreachable,
                    std::string("finding the way to a peer: ") + std::strerror(errno));
    }
    sockaddr_storage name{};
    socklen_t size = sizeof(sockaddr_in);
    if (v4) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(9);
        std::memcpy(&to.sin_addr, peer.key.data() + 12, sizeof to.sin_addr);
        std::memcpy(&name, &to, sizeof to);
    } else {
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        to.sin6_port = htons(9);
        std::memcpy(&to.sin6_addr, peer.key.data(), sizeof to.sin6_addr);
        std::memcpy(&name, &to, sizeof to);
        size = sizeof to;
    }
    // connect() of a UDP socket looks up the route and sends nothing.
    auto* raw = reinterpret_cast<sockaddr*>(&name);
    socklen_t got = sizeof name;
    const bool ok = connect(fd, raw, size) == 0 && getsockname(fd, raw, &got) == 0;
    const int error = errno;
    close(fd);
    if (!ok) {
        return fail(ErrorKind::unreachable,
                    "finding the way to " + peer.toString() + ": " + std::strerror(error));
    }
    return addressOf(*raw);
}

}  // namespace lapwing::agent::firewall
