#pragma once

#include <string>
#include <vector>

namespace lapwing::agent {

/// One VRRP instance of keepalived's configuration, without its password.
struct VrrpInstance {
    std::string name;
    std::string interface;
    int virtual_router_id = 0;           ///< 0 if it is not given
    int priority = 100;                  ///< keepalived's own default
    std::string initial_state;           ///< "MASTER", "BACKUP"
    std::vector<std::string> addresses;  ///< the addresses that move, without their prefix length
    std::vector<std::string> peers;      ///< unicast; empty: advertisements go to the group
    std::vector<std::string> tracks;     ///< names of scripts and processes whose failure moves the addresses
    bool operator==(const VrrpInstance&) const = default;
};

struct KeepalivedConfig {
    std::vector<VrrpInstance> instances;
    std::vector<std::string> unread;  ///< the parts that were not understood, for people
};

}  // namespace lapwing::agent
