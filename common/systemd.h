#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace lapwing {

/// Sends a notification to systemd (sd_notify(3)); does nothing without NOTIFY_SOCKET. The protocol is one
/// datagram, so this avoids libsystemd and the five libraries that it loads.
void notifySystemd(const std::string& state);

/// The interval in which systemd expects WATCHDOG=1 (WATCHDOG_USEC, if it is meant for this process).
std::optional<std::chrono::microseconds> watchdogInterval();

}  // namespace lapwing
