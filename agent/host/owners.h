#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/host/listeners.h"

namespace lapwing::agent {

/// The process that accepts a socket's connections, and its service.
struct Owner {
    int pid = 0;
    std::string process;  ///< the kernel's comm, completed from the executable's name where it is cut
    std::string executable;
    std::string unit = {};  ///< systemd's: "mariadb.service"; "" outside a service
    /// systemd holds the socket, and no other process does: its service has not been started.
    bool held_by_systemd = false;
};

struct Owners {
    std::map<std::uint64_t, Owner> by_inode;
    std::size_t denied = 0;  ///< processes whose descriptors may not be read, if an owner is still missing
};

/// Finds the processes that hold the listeners: for each socket the one with the lowest id, the parent of the
/// workers, and systemd only where no other process holds it. Needs privileges to see other users' processes.
Owners findOwners(const std::string& proc, const std::vector<Listener>& listeners);

/// The service in the text of /proc/PID/cgroup: "mariadb.service" for
/// "0::/system.slice/mariadb.service". "" for a process outside a service, such as a login session. Pure.
std::string serviceOfCgroup(const std::string& text);

}  // namespace lapwing::agent
