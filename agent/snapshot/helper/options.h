#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/host/network.h"

namespace lapwing::agent {

/// Where the helper finds its inputs and tools, and how long it waits for them.
struct CollectOptions {
    std::string proc = "/proc";
    std::string nft = "/usr/sbin/nft";
    std::string tools = "/usr/sbin";  ///< the directory of iptables-nft-save, iptables-restore, ip
    std::string systemctl = "/usr/bin/systemctl";
    std::string sshd = "/usr/sbin/sshd";
    std::string keepalived = "/etc/keepalived/keepalived.conf";
    std::chrono::milliseconds tool_deadline{5'000};
    std::chrono::milliseconds rules_deadline{
        20'000};       ///< of a tool that lists rules, perhaps with large sets
    std::string root;  ///< prefix of the paths that decide about the next boot; "" is this machine
    /// A snapshot that is kept has the permanent ones only: it must not change by itself.
    Neighbours neighbours = Neighbours::all;
    /// The last snapshot: its rules and its rehearsal are used again while they are unchanged.
    std::string previous;
    std::chrono::milliseconds rehearsal_deadline{20'000};
    /// The legacy tables of this network namespace ("ip filter"); absent: /proc names them, to root alone.
    std::optional<std::vector<std::string>> legacy_tables;
};

}  // namespace lapwing::agent
