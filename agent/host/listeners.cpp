#include "agent/host/listeners.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/host/netlink.h"
#include "agent/host/sock_diag.h"

namespace lapwing::agent {

namespace {

// linux/tcp.h's states, as inet_diag and /proc/net number them; an unconnected UDP socket has 7.
constexpr unsigned kListen = 10;
constexpr unsigned kClose = 7;

/// An IPv6 socket that is bound to an IPv4 address serves IPv4.
void serveMapped(Listener& listener) {
    listener.ipv6 = listener.ipv6 && !unmap(listener.address);
}

Expected<std::vector<Listener>> bySockDiag() {
    std::vector<Listener> out;
    for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
        const bool tcp = protocol == IPPROTO_TCP;
        for (const int family : {AF_INET, AF_INET6}) {
            auto done = dumpSockets(family, protocol, 1U << (tcp ? kListen : kClose),
                                    [&](const char* data, std::size_t size) {
                                        return parseSockDiag(data, size, tcp ? "tcp" : "udp", out);
                                    });
            if (!done) {
                return tl::unexpected(done.error());
            }
        }
    }
    return out;
}

}  // namespace

Expected<bool> parseSockDiag(const char* data, std::size_t size, const std::string& protocol,
                             std::vector<Listener>& out) {
    return forEachSocket(data, size, [&](const inet_diag_msg& socket, std::string_view attributes) {
        Listener listener;
        listener.protocol = protocol;
        listener.ipv6 = socket.idiag_family == AF_INET6;
        listener.address = addressText(socket.idiag_family, socket.id.idiag_src);
        listener.port = ntohs(socket.id.idiag_sport);
        listener.inode = socket.idiag_inode;
        eachAttribute(attributes, [&](unsigned type, std::string_view value) {
            if (type == INET_DIAG_SKV6ONLY && !value.empty()) {
                listener.v6only = value[0] != 0;
            }
        });
        const bool connected = protocol == "udp" && socket.id.idiag_dport != 0;
        serveMapped(listener);
        if (listener.port != 0 && !connected) {
            out.push_back(std::move(listener));
        }
    });
}

std::vector<Listener> parseProcNet(std::string_view text, const std::string& protocol, bool ipv6) {
    std::vector<Listener> out;
    std::istringstream lines{std::string(text)};
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string slot;
        std::string local;
        std::string remote;
        std::string state;
        std::string skipped;
        Listener listener;
        words >> slot >> local >> remote >> state >> skipped >> skipped >> skipped >> skipped >> skipped >>
            listener.inode;
        const std::size_t digits = ipv6 ? 32 : 8;
        if (!words || local.size() <= digits || local[digits] != ':' ||
            local.find_first_not_of("0123456789ABCDEFabcdef:") != std::string::npos) {
            continue;
        }
        const bool wanted = state == (protocol == "tcp" ? "0A" : "07");
        // The kernel prints each 32-bit word of the address in the machine's own order.
        std::array<std::uint32_t, 4> address{};
        for (std::size_t i = 0; i < digits / 8; ++i) {
            address[i] =
                static_cast<std::uint32_t>(std::strtoul(local.substr(i * 8, 8).c_str(), nullptr, 16));
        }
        listener.protocol = protocol;
        listener.ipv6 = ipv6;
        listener.address = addressText(ipv6 ? AF_INET6 : AF_INET, address.data());
        listener.port = static_cast<std::uint16_t>(std::strtoul(local.c_str() + digits + 1, nullptr, 16));
        listener.v6only = !(ipv6 && listener.address == "::");
        serveMapped(listener);
        if (wanted && listener.port != 0) {
            out.push_back(std::move(listener));
        }
    }
    return out;
}

Expected<std::vector<Listener>> listListeners(const std::string& proc) {
    if (auto listed = bySockDiag()) {
        return listed;
    }
    std::vector<Listener> out;
    bool any = false;
    for (const auto* protocol : {"tcp", "udp"}) {
        for (const bool ipv6 : {false, true}) {
            std::ifstream file(proc + "/net/" + protocol + (ipv6 ? "6" : ""));
            std::stringstream text;
            text << file.rdbuf();
            any = any || file.good();
            auto found = parseProcNet(text.str(), protocol, ipv6);
            out.insert(out.end(), found.begin(), found.end());
        }
    }
    if (!any) {
        return fail(ErrorKind::unavailable,
                    "listing sockets: neither sock_diag nor " + proc + "/net can be read");
    }
    return out;
}

}  // namespace lapwing::agent
