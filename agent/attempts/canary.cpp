#include "agent/attempts/canary.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTickMs = 100;
constexpr int kBacklog = 4;

Connection listening(int family, std::uint16_t port) {
    Connection socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.fd() < 0) {
        return {};
    }
    const int on = 1;
    const int off = 0;
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    const sockaddr* name = reinterpret_cast<const sockaddr*>(&v4);
    socklen_t size = sizeof v4;
    if (family == AF_INET6) {
        setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        name = reinterpret_cast<const sockaddr*>(&v6);
        size = sizeof v6;
    }
    if (bind(socket.fd(), name, size) != 0 || listen(socket.fd(), kBacklog) != 0) {
        return {};
    }
    return socket;
}

}  // namespace

bool listenAsCanary(std::uint16_t port, const std::string& nonce, Clock::time_point until,
                    const std::atomic<bool>& stop) {
    auto socket = listening(AF_INET6, port);
    if (socket.fd() < 0) {
        socket = listening(AF_INET, port);
    }
    if (socket.fd() < 0) {
        return false;
    }
    while (!stop && Clock::now() < until) {
        pollfd waiting{socket.fd(), POLLIN, 0};
        if (poll(&waiting, 1, kTickMs) > 0) {
            const Connection visitor(accept4(socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (visitor.fd() >= 0) {
                visitor.send(nonce);
                shutdown(visitor.fd(), SHUT_WR);
            }
        }
    }
    return true;
}

Attempted tryCanary(const reach::Address& source, const reach::Address& target, std::uint16_t port,
                    const std::string& nonce, std::chrono::milliseconds timeout) {
    const auto end = Clock::now() + timeout;
    const auto result = tryConnect(source, target, port, timeout);
    if (result.attempted != Attempted::open) {
        return result.attempted;
    }
    std::string heard;
    std::array<char, 256> buffer{};
    while (heard.size() < nonce.size()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        const auto got = left.count() > 0 ? result.connection.receive(buffer.data(), buffer.size(), left) : 0;
        if (got == 0) {
            break;
        }
        heard.append(buffer.data(), got);
    }
    return heard == nonce ? Attempted::open : Attempted::refused;
}

}  // namespace lapwing::agent
