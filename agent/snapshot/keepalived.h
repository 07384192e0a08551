#pragma once

#include <string>
#include <vector>

#include "common/vrrp_check.h"

namespace lapwing::agent {

/// A check whose failure changes an instance's priority, or stops the instance.
struct VrrpTrack {
    std::string kind;  ///< "script", "process", "file", "interface"
    std::string name;
    int weight = 0;        ///< 0: a failure puts the instance into the state FAULT
    bool reverse = false;  ///< the priority changes in the other direction
    vrrp::Watched watched = vrrp::Watched::unknown;
    std::string target = {};   ///< "haproxy", "127.0.0.1:80"; "" for unknown and other
    std::string ignored = {};  ///< why keepalived ignores this check; "" if it does not
    bool operator==(const VrrpTrack&) const = default;
};

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
    std::vector<VrrpTrack> tracks;
    std::vector<std::string> unread;  ///< keywords whose effect is not modelled
    bool operator==(const VrrpInstance&) const = default;
};

struct KeepalivedConfig {
    std::vector<VrrpInstance> instances;
    std::vector<std::string> unread;  ///< the parts that were not understood, for people
};

}  // namespace lapwing::agent
