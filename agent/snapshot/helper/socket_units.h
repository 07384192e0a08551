#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/host/listeners.h"
#include "agent/host/owners.h"
#include "agent/snapshot/helper/options.h"

namespace lapwing::agent {

/// A .socket unit of systemd.
struct SocketUnit {
    std::string name;                 ///< "ssh.socket"
    std::vector<std::string> listen;  ///< "[::]:22 (Stream)"
    std::string service;  ///< that it starts: "ssh.service", or "ssh@.service" for each connection
};

/// Reads the output of `systemctl show --property=Id,Listen,Triggers,Accept` about .socket units. Pure.
std::vector<SocketUnit> parseSocketUnits(std::string_view text);

/// The unit that listens there, or null. Pure.
const SocketUnit* unitOf(const std::vector<SocketUnit>& units, const Listener& listener);

/// The path of the first program in the output of `systemctl show --property=ExecStart`; "" for none. Pure.
std::string firstProgram(std::string_view text);

/// Names the service of each socket that only systemd holds: its unit, and the program that it would start.
/// Asks systemd, by systemctl, and only if such a socket exists. `unread` gets the reason of a failure.
void nameActivatedServices(const CollectOptions& options, const std::vector<Listener>& listeners,
                           Owners& owners, std::vector<std::string>& unread);

}  // namespace lapwing::agent
