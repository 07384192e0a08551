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
#include "common/run_tool.h"

namespace lapwing::agent {

/// "ok", "absent", "denied", "failed".
const char* readStatusName(ReadStatus status);

/// When the rules were read, and where they are.
struct RulesReading {
    std::uint64_t generation = 0;  ///< of nftables, raised by each change; 0 if unknown
    TimestampMs read_ms = 0;
    std::int64_t cost_ms = 0;     ///< how long the tools took
    bool changes_unseen = false;  ///< by elements that come and go by themselves, or by legacy tables
    /// The file beside the snapshot that has the outputs of the tools; "" where the snapshot has them.
    std::string file;
};

/// The content of lapwing-snapshot's file: the parts of the host that an unprivileged agent cannot read
/// itself.
struct Snapshot {
    TimestampMs time = 0;
    std::string boot_id;
    std::uint64_t network_namespace = 0;  ///< inode
    std::map<std::string, std::string> versions;
    RulesReading rules;
    /// `nft -j -s list ruleset` through compactSets(): without counters, so that it changes with the rules
    /// only.
    ToolOutput ruleset;
    ToolOutput listing;  ///< `nft -a -t list ruleset`: the rules as people write them, with their handles
    std::vector<ToolOutput>
        iptables;       ///< iptables-nft-save where a table has xt; legacy saves of tables that exist
    ToolOutput ipsets;  ///< `ipset save` through compactIpsets(), where a rule names a set
    std::vector<std::string> legacy_tables;  ///< "ip filter"
    ReadStatus legacy_status = ReadStatus::absent;
    std::map<std::uint64_t, Owner> owners;              ///< of listening sockets, by inode
    std::vector<std::string> unread;                    ///< the unreadable parts, with their reasons
    ReadStatus keepalived_status = ReadStatus::absent;  ///< of its configuration
    std::string keepalived_error;
    KeepalivedConfig keepalived;
    std::optional<bool> ssh_takes_passwords;  ///< from `sshd -T`; nothing where it cannot run
    reach::Host host;
    Boot boot;
};

/// The rules of the snapshot in the form of Ruleset::parse(). Errors: `denied`, `not_found`, `unavailable`
/// where the snapshot has no ruleset.
Expected<std::string> listingOf(const Snapshot& snapshot);
/// The same as a ruleset, with the texts of the rules. Also error `invalid`.
Expected<reach::Ruleset> rulesetOf(const Snapshot& snapshot);

std::string toJson(const Snapshot& snapshot);
/// The outputs of the tools that list rules, for a file of their own.
std::string rulesToJson(const Snapshot& snapshot);
/// Reads the output of rulesToJson() into the snapshot. Error `protocol` for any other text.
Expected<void> takeRules(std::string_view json, Snapshot& snapshot);
/// Error `protocol` for any text that toJson() did not write.
Expected<Snapshot> parseSnapshot(std::string_view json);

}  // namespace lapwing::agent
