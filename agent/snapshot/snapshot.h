#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host/owners.h"
#include "agent/snapshot/boot.h"
#include "agent/snapshot/keepalived.h"
#include "common/error.h"
#include "common/model/sample.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent {

/// What came of reading one thing that needs privileges.
enum class ReadStatus {
    ok,
    absent,  ///< there is no such thing on this host, or no tool that reads it
    denied,
    failed,
};

/// "ok", "absent", "denied", "failed".
const char* readStatusName(ReadStatus status);

/// The output of one tool.
struct ToolOutput {
    std::string tool;  ///< "/usr/sbin/nft"
    ReadStatus status = ReadStatus::absent;
    std::string output;
    std::string error;  ///< what it printed on stderr, or why it did not run
};

/// What lapwing-snapshot wrote: what an unprivileged agent cannot read by itself.
struct Snapshot {
    TimestampMs time = 0;
    std::string boot_id;
    std::uint64_t network_namespace = 0;  ///< inode
    std::map<std::string, std::string> versions;
    ToolOutput
        ruleset;  ///< `nft -j -s list ruleset`: without counters, so that it changes with the rules only
    ToolOutput listing;  ///< `nft -a list ruleset`: the rules as people write them, with their handles
    std::vector<ToolOutput>
        iptables;  ///< iptables-nft-save where a table has xt; legacy saves of tables that exist
    std::vector<std::string> legacy_tables;  ///< "ip filter"
    ReadStatus legacy_status = ReadStatus::absent;
    std::map<std::uint64_t, Owner> owners;              ///< of listening sockets, by inode
    std::vector<std::string> unread;                    ///< what could not be read, and why
    ReadStatus keepalived_status = ReadStatus::absent;  ///< of its configuration
    std::string keepalived_error;
    KeepalivedConfig keepalived;
    std::optional<bool> ssh_takes_passwords;  ///< as `sshd -T` says; nothing where it cannot be asked
    reach::Host host;
    Boot boot;
};

/// Everything of the snapshot that decides about packets, as Ruleset::parse() takes it. Errors: `denied`,
/// `not_found`, `unavailable` where the snapshot has no ruleset.
Expected<std::string> listingOf(const Snapshot& snapshot);
/// The same, with the texts of the rules. Error `invalid` besides.
Expected<reach::Ruleset> rulesetOf(const Snapshot& snapshot);

std::string toJson(const Snapshot& snapshot);
/// Error `protocol` for what toJson() did not write.
Expected<Snapshot> parseSnapshot(std::string_view json);

}  // namespace lapwing::agent
