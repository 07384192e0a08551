#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent {

/// One VRRP instance of keepalived's configuration, without its password.
struct VrrpInstance {
    std::string name;
    std::string interface;
    int virtual_router_id = 0;           ///< 0 if it is not given
    int priority = 100;                  ///< keepalived's own default
    std::string initial_state;           ///< "MASTER", "BACKUP"
    std::vector<std::string> addresses;  ///< that move, without their prefix length
    std::vector<std::string> peers;      ///< unicast; empty: advertisements go to the group
    std::vector<std::string> tracks;     ///< names of scripts and processes whose failure moves the addresses
    bool operator==(const VrrpInstance&) const = default;
};

struct KeepalivedConfig {
    std::vector<VrrpInstance> instances;
    std::vector<std::string> unread;  ///< what of it was not understood, in words
};

/// Reads the text of keepalived.conf (man keepalived.conf), `include` lines expanded already. Conditional
/// lines (`@NAME ...`) and parameters (`$NAME`) are not evaluated: they are named in `unread`. Pure.
KeepalivedConfig parseKeepalived(std::string_view text);

/// The text of the file with what it includes. "" and `error` set to errno where the file cannot be read; an
/// included file that cannot be read is named in `unread`.
std::string readKeepalived(const std::string& file, int& error, std::vector<std::string>& unread);

}  // namespace lapwing::agent
