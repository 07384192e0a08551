#include "agent/host/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "agent/host/socket_address.h"

namespace lapwing::agent {

namespace {

struct Freer {
    void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

unsigned prefixLength(const reach::Key& mask) {
    return std::accumulate(mask.begin(), mask.end(), 0U, [](unsigned sum, std::uint8_t byte) {
        return sum + static_cast<unsigned>(std::popcount(byte));
    });
}

std::optional<InterfaceAddress> interfaceAddress(const ifaddrs& entry) {
    if (entry.ifa_addr == nullptr || entry.ifa_netmask == nullptr) {
        return std::nullopt;
    }
    const auto address = addressOf(*entry.ifa_addr);
    const auto mask = addressOf(*entry.ifa_netmask);
    if (!address || !mask) {
        return std::nullopt;
    }
    return InterfaceAddress{entry.ifa_name, *address, prefixLength(mask->key)};
}

}  // namespace

Expected<std::vector<InterfaceAddress>> listInterfaceAddresses(InterfaceState state) {
    ifaddrs* raw = nullptr;
    if (getifaddrs(&raw) != 0) {
        return fail(ErrorKind::unavailable, std::string("listing addresses: ") + std::strerror(errno));
    }
    const std::unique_ptr<ifaddrs, Freer> list(raw);
    std::vector<InterfaceAddress> out;
    for (const auto* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
        const bool wanted = (entry->ifa_flags & IFF_LOOPBACK) == 0 &&
                            (state == InterfaceState::up_or_down || (entry->ifa_flags & IFF_UP) != 0);
        if (auto address = wanted ? interfaceAddress(*entry) : std::nullopt) {
            out.push_back(std::move(*address));
        }
    }
    return out;
}

Expected<reach::Address> sourceTowards(const reach::Address& peer) {
    const int fd =
        socket(peer.family == reach::Family::ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(ErrorKind::unreachable,
                    std::string("finding the way to a peer: ") + std::strerror(errno));
    }
    // connect() of a UDP socket looks up the route and sends nothing.
    constexpr std::uint16_t discard = 9;
    auto name = socketAddress(peer, discard);
    bool ok = connect(fd, name.get(), name.size) == 0;
    name.size = sizeof name.storage;
    ok = ok && getsockname(fd, name.get(), &name.size) == 0;
    const int error = errno;
    close(fd);
    const auto source = ok ? addressOf(*name.get()) : std::nullopt;
    if (!source) {
        return fail(ErrorKind::unreachable,
                    "finding the way to " + peer.toString() + ": " + std::strerror(error));
    }
    return *source;
}

}  // namespace lapwing::agent
