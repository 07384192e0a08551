#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace lapwing {

/// systemd's notification protocol (sd_notify(3)), which is one datagram: libsystemd would bring five more
/// libraries into a process that is to stay small. Without NOTIFY_SOCKET nothing happens.
void notifySystemd(const std::string& state);

/// How often systemd wants to hear WATCHDOG=1 (WATCHDOG_USEC, if it is meant for this process).
std::optional<std::chrono::microseconds> watchdogInterval();

}  // namespace lapwing
