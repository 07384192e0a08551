#pragma once

#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/replication/facts.h"

namespace lapwing::analysis::replication {

/// Whom a channel follows, and how that fits what is declared.
struct Roles {
    std::string primary;                   ///< an instance, else the address, else ""
    const DatabaseFacts* facts = nullptr;  ///< null where no instance is known, or nothing of it
    bool multi_primary = false;            ///< declared in both directions
    /// MariaDB: another primary of the same replica may write to the same GTID domain, so that the replica's
    /// position in it tells nothing of this one.
    bool shared_domain = false;
    std::vector<Evidence> evidence;  ///< where the declaration says otherwise
};

/// What is seen goes before what is declared: the server's UUID, the address, the server id, and only then
/// the declaration. The result points into `facts`.
Roles rolesOf(const Databases& facts, const std::string& replica, const ChannelFacts& channel);

/// `replica` is seen to follow `primary`.
bool follows(const Databases& facts, const std::string& replica, const std::string& primary);

bool isDeclared(const Databases& facts, const std::string& primary, const std::string& replica);

/// Which transactions the replica has and the primary has not: "0-2 (3 transactions)"; "" for none, or where
/// that cannot be told. The replica is compared as it was a second before the primary was looked at.
std::string errantTransactions(const DatabaseFacts& replica, const DatabaseFacts& primary);

}  // namespace lapwing::analysis::replication
