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

/// `replica` answers, and one of its channels follows `primary` with a thread that is not stopped.
bool follows(const Inputs& inputs, const std::string& replica, const std::string& primary);

/// Likewise, and the channel's receiver is connected.
bool receivesFrom(const Inputs& inputs, const std::string& replica, const std::string& primary);

/// The server itself wrote the transactions of that GTID track: "domain-server" of MariaDB's binary log
/// state, or "UUID" or "UUID:TAG" of MySQL.
bool isWrittenBy(const evidence::Database& server, const std::string& gtid);

/// `site.replication` contains the pair.
bool isDeclared(const Inputs& inputs, const std::string& primary, const std::string& replica);

/// `site.replication` contains a pair with that primary, or with that replica.
bool declaredAsPrimary(const Inputs& inputs, const std::string& server);
bool declaredAsReplica(const Inputs& inputs, const std::string& server);

/// The transactions that the replica has and the primary lacks: "0-2 (3 transactions)". "" if none are known.
/// Compares the primary's newest observation with the replica's position one second before it.
std::string errantTransactions(const evidence::Database& replica, const evidence::Database& primary);

}  // namespace lapwing::analysis::replication
