#pragma once

#include <string>
#include <vector>

#include "common/vrrp_check.h"

namespace lapwing::agent {

/// One VRRP instance of keepalived's configuration, without its password.
struct VrrpInstance {
    std::string name;
    std::string interface;
    int virtual_router_id = 0;           ///< 0 if it is not given
    int priority = 100;                  ///< keepalived's own default
    std::string initial_state;           ///< "MASTER", "BACKUP"
    std::vector<std::string> addresses;  ///< the addresses that move, with their prefix lengths if given
    std::vector<std::string> excluded;   ///< addresses that move too, and are not in the advertisements
    std::vector<std::string> peers;      ///< unicast; empty: advertisements go to the group
    std::string source;                  ///< unicast_src_ip or mcast_src_ip; or ""
    int version = 2;                     ///< 3 for IPv6
    std::string interval = "1";          ///< seconds between advertisements, as written
    /// "", or the type and 12 bits of the password's digest ("PASS 3f2"): two hosts can be compared, the
    /// password cannot be found. keepalived uses the first 8 characters.
    std::string authentication;
    bool nopreempt = false;
    std::string preempt_delay;  ///< seconds, as written; or ""
    std::string group;          ///< vrrp_sync_group, or ""
    std::vector<vrrp::Check> tracks;
    std::vector<std::string> unread;  ///< keywords whose effect is not modelled
    bool operator==(const VrrpInstance&) const = default;
};

struct KeepalivedConfig {
    std::vector<VrrpInstance> instances;
    std::vector<std::string> unread;  ///< the parts that were not understood, for people
};

}  // namespace lapwing::agent
