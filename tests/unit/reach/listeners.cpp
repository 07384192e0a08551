#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/unit/reach/against_kernel.h"

namespace lapwing::test {

namespace {

constexpr std::uint16_t kPorts[] = {22, 3306, 8080};
constexpr int kPollMs = 50;

int listenerAt(int type, std::uint16_t port) {
    const int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int off = 0;
    const int on = 1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    // An answer over UDP leaves from the address to which the question went.
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        (type == SOCK_STREAM && listen(fd, 4096) != 0)) {
        std::abort();
    }
    return fd;
}

void answerDatagram(int fd) {
    std::array<char, 256> buffer{};
    std::array<char, 256> control{};
    sockaddr_in6 sender{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{&sender, sizeof sender, &part, 1, control.data(), control.size(), 0};
    const auto size = recvmsg(fd, &message, 0);
    if (size > 0) {
        part.iov_len = static_cast<std::size_t>(size);
        // Without the interface: the kernel looks up the route, as for other programs.
        if (auto* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            info.ipi6_ifindex = 0;
            std::memcpy(CMSG_DATA(header), &info, sizeof info);
        }
        sendmsg(fd, &message, MSG_NOSIGNAL);
    }
}

}  // namespace

Listeners::Listeners(const Namespaces& namespaces) {
    const auto listen_on_all = [&] {
        for (const auto port : kPorts) {
            tcp_.push_back(listenerAt(SOCK_STREAM, port));
            udp_.push_back(listenerAt(SOCK_DGRAM, port));
        }
    };
    namespaces.inServer(listen_on_all);
    namespaces.inInner(listen_on_all);
    thread_ = std::thread([this] { serve(); });
}

Listeners::~Listeners() {
    ends_ = true;
    thread_.join();
    for (const auto* fds : {&tcp_, &udp_}) {
        std::for_each(fds->begin(), fds->end(), close);
    }
    std::for_each(connections_.begin(), connections_.end(), close);
}

void Listeners::greet(int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        const std::string greeting = "hello";
        send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
        connections_.insert(fd);
    }
}

void Listeners::echo(int connection) {
    std::array<char, 256> buffer{};
    const auto size = recv(connection, buffer.data(), buffer.size(), 0);
    if (size > 0) {
        send(connection, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
    } else {
        close(connection);
        connections_.erase(connection);
    }
}

void Listeners::serve() {
    while (!ends_) {
        std::vector<pollfd> waiting;
        for (const int fd : tcp_) {
            waiting.push_back({fd, POLLIN, 0});
        }
        for (const int fd : udp_) {
            waiting.push_back({fd, POLLIN, 0});
        }
        for (const int fd : connections_) {
            waiting.push_back({fd, POLLIN, 0});
        }
        poll(waiting.data(), waiting.size(), kPollMs);
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            if (waiting[i].revents == 0) {
                continue;
            }
            if (i < tcp_.size()) {
                greet(waiting[i].fd);
            } else if (i < tcp_.size() + udp_.size()) {
                answerDatagram(waiting[i].fd);
            } else {
                echo(waiting[i].fd);
            }
        }
    }
}

}  // namespace lapwing::test
