#pragma once

#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/replication/inputs.h"

namespace lapwing::analysis::replication {

/// The primary that a channel follows, compared with the declared pairs.
struct Roles {
    std::string primary;  ///< an instance, else the address that the channel names, else ""
    /// The primary as its agent observes it; null if its instance is unknown or nothing is reported about it.
    const evidence::Database* primary_server = nullptr;
    bool multi_primary = false;  ///< declared in both directions
    /// MariaDB: another primary of the same replica may write to the same GTID domain. The replica's position
    /// in the domain then tells nothing about this primary.
    bool shared_domain = false;
    std::vector<Evidence> evidence;  ///< differences from the declared pairs
};

/// Finds the primary by the server's UUID, the address, the name and the server id, in this order, and last
/// by the declared pairs. The result points into `inputs`.
Roles rolesOf(const Inputs& inputs, const std::string& replica, const evidence::ReplicaChannel& channel);

/// `replica` answers, and one of its channels follows `primary`.
bool follows(const Inputs& inputs, const std::string& replica, const std::string& primary);

/// `site.replication` contains the pair.
bool isDeclared(const Inputs& inputs, const std::string& primary, const std::string& replica);

/// The transactions that the replica has and the primary lacks: "0-2 (3 transactions)". "" if none are known.
/// Compares the primary's newest observation with the replica's position one second before it.
std::string errantTransactions(const evidence::Database& replica, const evidence::Database& primary);

}  // namespace lapwing::analysis::replication
