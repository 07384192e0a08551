#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "common/reach/address.h"

namespace lapwing::test {

/// How far an exchange came.
enum class Exchanged {
    silent,    ///< nothing came back
    refused,   ///< a reset or an ICMP error answered the first packet
    broken,    ///< the connection opened, but data did not pass both ways
    complete,  ///< greeting, data and echo passed; over UDP, the echo
};

const char* exchangedName(Exchanged outcome);

/// An exchange that the client begins.
struct Exchange {
    reach::Address source;
    reach::Address destination;
    std::uint16_t port = 0;
    bool udp = false;
    Exchanged outcome = Exchanged::silent;
};

/// Makes all of them at once in the network namespace of the calling thread, and waits at most `timeout` for
/// each step.
void exchangeAll(std::vector<Exchange>& exchanges, std::chrono::milliseconds timeout);

}  // namespace lapwing::test
