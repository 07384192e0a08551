#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "tests/unit/catch.h"

namespace lapwing::test {

/// A listening socket on a free port of 127.0.0.1.
class Listening {
  public:
    Listening() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&name), size) == 0);
        REQUIRE(listen(fd_, 64) == 0);
        REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size) == 0);
        port_ = ntohs(name.sin_port);
    }
    ~Listening() { close(fd_); }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    std::uint16_t port() const { return port_; }
    /// The next connection; -1 after the end.
    int take() const { return accept(fd_, nullptr, nullptr); }
    /// The next waiting connection; -1 if no connection waits.
    int takeWaiting() const {
        pollfd waiting{fd_, POLLIN, 0};
        return poll(&waiting, 1, 0) == 1 ? take() : -1;
    }
    /// Ends take() in another thread.
    void end() const { shutdown(fd_, SHUT_RDWR); }

  private:
    int fd_;
    std::uint16_t port_ = 0;
};

}  // namespace lapwing::test
