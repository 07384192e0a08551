#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/host/listeners.h"

namespace lapwing::agent {

/// The process that holds a socket.
struct Owner {
    int pid = 0;
    std::string process;  ///< the kernel's comm, completed from the executable's name where it is cut
    std::string executable;
};

struct Owners {
    std::map<std::uint64_t, Owner> by_inode;
    std::size_t denied = 0;  ///< processes whose descriptors may not be read, if an owner is still missing
};

/// Finds the processes that hold the listeners: for each socket the one with the lowest id, the parent of the
/// workers. Needs privileges to see other users' processes.
Owners findOwners(const std::string& proc, const std::vector<Listener>& listeners);

}  // namespace lapwing::agent
