#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"

namespace lapwing::http {

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

/// The addresses of a host, in the order of preference of the system's resolver. A numeric address needs no
/// look-up. getaddrinfo() knows no deadline, so each look-up runs in a thread of its own and is abandoned
/// when it outlives `until`; while it is stuck, further calls for the same name wait for it instead of
/// starting another. Errors: `timeout`, `unreachable` (the name does not resolve). Safe from any thread.
Expected<std::vector<Address>> resolve(const std::string& host, std::uint16_t port,
                                       std::chrono::steady_clock::time_point until);

}  // namespace lapwing::http
