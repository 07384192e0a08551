#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

struct CollectOptions {
    std::string proc = "/proc";
    std::string nft = "/usr/sbin/nft";
    std::string tools = "/usr/sbin";  ///< where iptables-nft-save and its kin are
    std::string sshd = "/usr/sbin/sshd";
    std::string keepalived = "/etc/keepalived/keepalived.conf";
    std::chrono::milliseconds tool_deadline{5'000};
    std::string root;  ///< before the paths of what is read to know what loads rules at boot
    std::string
        previous;  ///< the snapshot that was written last: what has not changed is not rehearsed again
    std::chrono::milliseconds rehearsal_deadline{3'000};
};

/// Reads what needs privileges. Never fails as a whole: what cannot be read is recorded with the reason.
Snapshot collectSnapshot(const CollectOptions& options);

/// The rules of this network namespace, into `ruleset`, `listing`, `iptables` and what tells of legacy
/// tables.
void readRules(const CollectOptions& options, Snapshot& snapshot);

/// Whether ssh takes a password, of what `sshd -T` prints: by either of its two ways. Nothing for another
/// text.
std::optional<bool> takesPasswords(std::string_view effective_sshd_config);

/// Runs a program with that argument vector (argv[0] is its absolute path) and an empty environment but for
/// LC_ALL=C and a lock file for iptables that may be opened anywhere; kills it at the deadline, or once it
/// has printed more than `most` bytes.
ToolOutput runTool(const std::vector<std::string>& argv, std::chrono::milliseconds deadline,
                   std::size_t most);

/// Replaces `file` at once, with mode 0640 and the group `group` where there is one.
Expected<void> writeSnapshot(const std::string& file, const std::string& json, const std::string& group);

}  // namespace lapwing::agent
