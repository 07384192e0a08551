#include "agent/attempts/connect.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agent/host/socket_address.h"

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;

/// `at_once`: connect() itself failed, so no packet has been answered.
Attempted fromErrno(int error, bool at_once) {
    switch (error) {
        case ECONNREFUSED:
        case ECONNRESET:
            return Attempted::refused;
        case ETIMEDOUT:
            return Attempted::silent;
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ENOPROTOOPT:
        case EACCES:
            return at_once ? Attempted::unreachable : Attempted::rejected;
        default:
            return Attempted::not_tried;
    }
}

int waitFor(int fd, short events, Clock::time_point end) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd waiting{fd, events, 0};
        const int ready = poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready >= 0 || errno != EINTR) {
            return ready;
        }
    }
}

}  // namespace

const char* attemptedName(Attempted attempted) {
    switch (attempted) {
        case Attempted::open:
            return "open";
        case Attempted::refused:
            return "refused";
        case Attempted::silent:
            return "silent";
        case Attempted::rejected:
            return "rejected";
        case Attempted::unreachable:
            return "unreachable";
        case Attempted::not_tried:
            return "not_tried";
    }
    return "not_tried";
}

Connection& Connection::operator=(Connection&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) {
            close(fd_);
        }
        fd_ = other.fd_;
        other.fd_ = -1;
    }
    return *this;
}

Connection::~Connection() {
    if (fd_ >= 0) {
        close(fd_);
    }
}

std::size_t Connection::receive(char* data, std::size_t size, std::chrono::milliseconds longest) const {
    if (waitFor(fd_, POLLIN, Clock::now() + longest) <= 0) {
        return 0;
    }
    const auto got = recv(fd_, data, size, MSG_DONTWAIT);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool Connection::send(const std::string& data) const {
    return ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(data.size());
}

ConnectResult tryConnect(const reach::Address& source, const reach::Address& target, std::uint16_t port,
                         std::chrono::milliseconds timeout) {
    const int family = target.family == reach::Family::ipv4 ? AF_INET : AF_INET6;
    Connection connection(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (connection.fd() < 0) {
        return {};
    }
    const auto from = socketAddress(source, 0);
    const int on = 1;
    setsockopt(connection.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(connection.fd(), from.get(), from.size) != 0) {
        return {};
    }
    const auto to = socketAddress(target, port);
    if (connect(connection.fd(), to.get(), to.size) != 0 && errno != EINPROGRESS) {
        return {fromErrno(errno, true), {}};
    }
    if (waitFor(connection.fd(), POLLOUT, Clock::now() + timeout) == 0) {
        return {Attempted::silent, {}};
    }
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
        return {fromErrno(error, false), {}};
    }
    return {Attempted::open, std::move(connection)};
}

}  // namespace lapwing::agent
