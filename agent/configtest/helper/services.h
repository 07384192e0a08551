#pragma once

#include <string>
#include <vector>

#include "agent/configtest/helper/command.h"
#include "common/model/sample.h"

namespace lapwing::agent::configtest {

/// A program of this host whose configuration is to be tested.
struct Service {
    std::string program;     ///< "nginx", "haproxy"
    std::string executable;  ///< its file, an absolute path
    TestCommand test;
    std::vector<std::string> environment;  ///< "NAME=value"
    /// When the running processes loaded the configuration, or up to a second before; 0 if it is not known.
    TimestampMs loaded = 0;
};

/// Where to look.
struct Places {
    std::string proc = "/proc";
    std::string root;  ///< prefix of systemd's directories; "" is this machine
};

/// The masters of Nginx and HAProxy that run on this host, each command line once, and the enabled services
/// of them that do not run; at most 8. Only the command line of a process of root counts, on this host's
/// files: any other process could choose what root runs.
std::vector<Service> findServices(const Places& places);

/// Without what a process gets for itself alone: sockets, the supervisor's, and what HAProxy sets. Pure.
std::vector<std::string> inheritable(const std::vector<std::string>& environment);

}  // namespace lapwing::agent::configtest
