#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace lapwing {

/// Sends systemd a notification (sd_notify(3)), which is one datagram: libsystemd would bring five more
/// libraries into a process that is to stay small. Does nothing without NOTIFY_SOCKET.
void notifySystemd(const std::string& state);

/// The longest interval between two WATCHDOG=1 that systemd allows (WATCHDOG_USEC, if it is meant for this
/// process).
std::optional<std::chrono::microseconds> watchdogInterval();

}  // namespace lapwing
