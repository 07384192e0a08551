#include "agent/snapshot/host.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>

namespace lapwing::agent {

namespace {

struct Freer {
    void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

reach::Key keyOf(const sockaddr& from) {
    reach::Key key{};
    if (from.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &from, sizeof v4);
        std::memcpy(key.data() + 12, &v4.sin_addr, sizeof v4.sin_addr);
    } else {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &from, sizeof v6);
        std::memcpy(key.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    }
    return key;
}

std::optional<bool> readSwitch(const std::string& path) {
    std::ifstream file(path);
    int value = 0;
    return file >> value ? std::optional(value != 0) : std::nullopt;
}

}  // namespace

reach::Host thisHost(const std::string& proc) {
    reach::Host host;
    host.forwards_ipv4 = readSwitch(proc + "/sys/net/ipv4/ip_forward");
    host.forwards_ipv6 = readSwitch(proc + "/sys/net/ipv6/conf/all/forwarding");
    ifaddrs* raw = nullptr;
    if (getifaddrs(&raw) != 0) {
        return host;
    }
    const std::unique_ptr<ifaddrs, Freer> list(raw);
    for (const auto* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
        const auto* address = entry->ifa_addr;
        const bool usable = address != nullptr && entry->ifa_netmask != nullptr &&
                            (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0 &&
                            (address->sa_family == AF_INET || address->sa_family == AF_INET6);
        if (usable) {
            const auto mask = keyOf(*entry->ifa_netmask);
            const auto bits = std::accumulate(mask.begin(), mask.end(), 0, [](int sum, std::uint8_t byte) {
                return sum + std::popcount(byte);
            });
            const auto family = address->sa_family == AF_INET ? reach::Family::ipv4 : reach::Family::ipv6;
            host.interfaces.push_back(
                {entry->ifa_name, {family, keyOf(*address)}, static_cast<unsigned>(bits)});
        }
    }
    return host;
}

}  // namespace lapwing::agent
