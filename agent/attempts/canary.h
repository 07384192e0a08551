#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "agent/attempts/connect.h"

namespace lapwing::agent {

/// Listens on the port, on every address of both families, until `until`, and sends the nonce to each
/// client. False if the port is taken.
bool listenAsCanary(std::uint16_t port, const std::string& nonce, std::chrono::steady_clock::time_point until,
                    const std::atomic<bool>& stop);

/// Open only if the listener sends the nonce: another program on that port is no canary (`refused`).
Attempted tryCanary(const reach::Address& source, const reach::Address& target, std::uint16_t port,
                    const std::string& nonce, std::chrono::milliseconds timeout);

}  // namespace lapwing::agent
