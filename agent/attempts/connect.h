#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/reach/address.h"

namespace lapwing::agent {

/// The result of one attempt to connect.
enum class Attempted {
    open,
    refused,      ///< a reset, or ICMP port unreachable: the kernel does not tell them apart
    silent,       ///< no answer within the time
    rejected,     ///< ICMP: administratively prohibited
    unreachable,  ///< no route, no such neighbour
    not_tried,    ///< no such source address, or this host's own rules forbid the attempt
};

/// "open", "refused", ...
const char* attemptedName(Attempted attempted);

/// A connected socket; closes it.
class Connection {
  public:
    Connection() = default;
    explicit Connection(int fd) : fd_(fd) {}
    Connection(Connection&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Connection& operator=(Connection&& other) noexcept;
    ~Connection();
    int fd() const { return fd_; }

    /// Up to `size` bytes; 0 at the end of the stream, on an error and after `longest`.
    std::size_t receive(char* data, std::size_t size, std::chrono::milliseconds longest) const;
    bool send(const std::string& data) const;

  private:
    int fd_ = -1;
};

struct ConnectResult {
    Attempted attempted = Attempted::not_tried;
    Connection connection;  ///< where `attempted` is open
};

/// One TCP connection from `source` (any port) to `target`. Ends within `timeout`.
ConnectResult tryConnect(const reach::Address& source, const reach::Address& target, std::uint16_t port,
                         std::chrono::milliseconds timeout);

}  // namespace lapwing::agent
