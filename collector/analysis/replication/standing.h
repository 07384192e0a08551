#pragma once

#include <string>
#include <vector>

#include "collector/analysis/replication/roles.h"

namespace lapwing::analysis::replication {

/// What the server with a channel is now, by what works and by the declared pairs. Commands that change
/// replication rest on it.
enum class Standing {
    replica,
    primary,  ///< the channel is left over from an earlier role
    unclear,  ///< the declarations and what works do not tell
};

struct StandingJudgement {
    Standing standing = Standing::replica;
    std::string reason;  ///< what it rests on; for `unclear`, the missing input
};

/// Judges one channel of `replica`. A channel that receives makes its server a replica, whatever is declared.
/// Then what works counts (the source follows this server; its writes arrive here), then the declared pairs,
/// then read_only.
StandingJudgement standingOf(const Inputs& inputs, const std::string& replica,
                             const evidence::ReplicaChannel& channel, const Roles& roles);

/// Other servers whose receiver is connected to `primary`.
std::vector<std::string> followersOf(const Inputs& inputs, const std::string& primary);

/// The server itself wrote transactions in the last minute: its own GTIDs grow, or its agent writes the
/// heartbeat.
bool writesArrive(const evidence::Database& server, TimestampMs now);

}  // namespace lapwing::analysis::replication
