#pragma once

#include <cstdint>
#include <string>

#include "agent/host/network.h"
#include "common/reach/host.h"

namespace lapwing::agent {

/// The addresses of interfaces that are up (without loopback), whether this network namespace forwards, and
/// how it routes. Unreadable parts are left out.
reach::Host thisHost(const std::string& proc, Neighbours neighbours);

/// The id of the present boot; "" if it cannot be read.
std::string bootId(const std::string& proc);

/// The first word of a file such as /etc/machine-id; "" if it cannot be read, or is not set yet
/// (machine-id(5)).
std::string machineId(const std::string& file);

/// The inode of the network namespace of this process; 0 if it cannot be read.
std::uint64_t networkNamespace(const std::string& proc);

}  // namespace lapwing::agent
