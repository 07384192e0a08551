#include "collector/analysis/replication/roles.h"

#include <algorithm>

namespace lapwing::analysis::replication {

namespace {

using evidence::Database;
using evidence::GtidTracks;
using evidence::ReplicaChannel;

/// Agents observe the two servers at different moments; the replica's position must be the earlier by this.
constexpr std::int64_t kApartMs = 1000;
/// An older position no longer describes the present.
constexpr std::int64_t kOldMs = 60'000;

/// The only other instance with that value of `field`; "" if no instance or several have it.
std::string onlyInstanceWith(const Inputs& inputs, const std::string& replica, std::string Database::*field,
                             const std::string& value) {
    std::string found;
    if (value.empty() || value == "0") {
        return found;
    }
    for (const auto& [name, server] : inputs.databases.servers) {
        if (name != replica && server.*field == value) {
            if (!found.empty()) {
                return {};
            }
            found = name;
        }
    }
    return found;
}

/// The only declared primary of the replica; "" if none or several are declared.
std::string declaredPrimary(const Inputs& inputs, const std::string& replica) {
    std::string found;
    for (const auto& pair : inputs.declared) {
        if (pair.replica == replica) {
            if (!found.empty()) {
                return {};
            }
            found = pair.primary;
        }
    }
    return found;
}

std::string instanceAt(const Inputs& inputs, const Endpoint& endpoint) {
    const auto address = endpoint.address();
    if (!address) {
        return {};
    }
    const auto host = inputs.databases.hosts.find(*address);
    return host == inputs.databases.hosts.end() ? "" : host->second;
}

/// The instance that the channel follows, without the declared pairs; "" if unknown.
std::string discoveredPrimary(const Inputs& inputs, const std::string& replica,
                              const ReplicaChannel& channel) {
    auto by_uuid = onlyInstanceWith(inputs, replica, &Database::server_uuid, channel.source_uuid);
    if (!by_uuid.empty()) {
        return by_uuid;
    }
    auto by_address = instanceAt(inputs, channel.source);
    if (!by_address.empty() && by_address != replica) {
        return by_address;
    }
    if (inputs.databases.servers.contains(channel.source.host) && channel.source.host != replica) {
        return channel.source.host;
    }
    return onlyInstanceWith(inputs, replica, &Database::server_id, channel.source_server_id);
}

bool sharesDomain(const Inputs& inputs, const std::string& replica, const Roles& roles) {
    const auto& servers = inputs.databases.servers;
    const auto& server = servers.at(replica);
    if (!server.mariadb || roles.primary_server == nullptr || server.channels.size() < 2) {
        return false;
    }
    const auto& own_domains = roles.primary_server->executed;
    return std::any_of(server.channels.begin(), server.channels.end(), [&](const auto& channel) {
        const auto name = discoveredPrimary(inputs, replica, channel.second);
        if (name == roles.primary) {
            return false;
        }
        const auto other = servers.find(name);
        return other == servers.end() ||
               std::any_of(other->second.executed.begin(), other->second.executed.end(),
                           [&](const auto& track) { return own_domains.contains(track.first); });
    });
}

struct Excess {
    std::string gtid;
    std::int64_t transactions = 0;
};

/// Adds the transactions of `gtid` that the replica had shortly before `observed` and the primary lacked
/// then.
void addExcess(const GtidTracks& replica, const GtidTracks& primary, const std::string& gtid,
               TimestampMs observed, std::vector<Excess>& out) {
    const auto on_replica = replica.find(gtid);
    if (on_replica == replica.end() || on_replica->second.last().at < observed - kOldMs) {
        return;
    }
    const auto replica_value = on_replica->second.valueAt(observed - kApartMs);
    const auto on_primary = primary.find(gtid);
    const auto primary_value =
        on_primary == primary.end() ? 0 : on_primary->second.valueAt(observed).value_or(0);
    if (replica_value && *replica_value > primary_value) {
        out.push_back({gtid, *replica_value - primary_value});
    }
}

TimestampMs newestObservation(const GtidTracks& tracks) {
    TimestampMs out = 0;
    for (const auto& [gtid, track] : tracks) {
        out = std::max(out, track.last().at);
    }
    return out;
}

/// One of the replica's channels that `accepts` follows the primary.
template <typename Accepts>
bool anyChannelTo(const Inputs& inputs, const std::string& replica, const std::string& primary,
                  Accepts accepts) {
    const auto& servers = inputs.databases.servers;
    const auto server = servers.find(replica);
    if (server == servers.end() || server->second.up != true) {
        return false;
    }
    return std::any_of(
        server->second.channels.begin(), server->second.channels.end(), [&](const auto& channel) {
            return accepts(channel.second) && discoveredPrimary(inputs, replica, channel.second) == primary;
        });
}

}  // namespace

bool isWrittenBy(const Database& server, const std::string& gtid) {
    return server.mariadb ? gtid.ends_with("-" + server.server_id) && !server.server_id.empty()
                          : !server.server_uuid.empty() && gtid.starts_with(server.server_uuid);
}

bool isDeclared(const Inputs& inputs, const std::string& primary, const std::string& replica) {
    return std::any_of(inputs.declared.begin(), inputs.declared.end(),
                       [&](const auto& pair) { return pair.primary == primary && pair.replica == replica; });
}

bool declaredAsPrimary(const Inputs& inputs, const std::string& server) {
    return std::any_of(inputs.declared.begin(), inputs.declared.end(),
                       [&](const auto& pair) { return pair.primary == server; });
}

bool declaredAsReplica(const Inputs& inputs, const std::string& server) {
    return std::any_of(inputs.declared.begin(), inputs.declared.end(),
                       [&](const auto& pair) { return pair.replica == server; });
}

Roles rolesOf(const Inputs& inputs, const std::string& replica, const ReplicaChannel& channel) {
    Roles roles;
    const auto declared = declaredPrimary(inputs, replica);
    const auto found = discoveredPrimary(inputs, replica, channel);
    roles.primary = !found.empty() ? found : !declared.empty() ? declared : channel.source.host;
    const auto& servers = inputs.databases.servers;
    if (const auto server = servers.find(roles.primary); server != servers.end()) {
        roles.primary_server = &server->second;
    }
    roles.shared_domain = sharesDomain(inputs, replica, roles);
    roles.multi_primary =
        isDeclared(inputs, roles.primary, replica) && isDeclared(inputs, replica, roles.primary);
    if (found.empty() || isDeclared(inputs, found, replica)) {
        return roles;
    }
    if (isDeclared(inputs, replica, found)) {
        roles.evidence.push_back(
            {"configuration", "site.replication says that " + found + " is a replica of " + replica +
                                  "; they have changed roles. Once that is to stay, say so there"});
    } else if (!declared.empty()) {
        roles.evidence.push_back({"configuration", "site.replication says that " + replica +
                                                       " is a replica of " + declared + "; it follows " +
                                                       found});
    }
    return roles;
}

bool follows(const Inputs& inputs, const std::string& replica, const std::string& primary) {
    using evidence::ThreadState;
    return anyChannelTo(inputs, replica, primary, [](const ReplicaChannel& channel) {
        return channel.receiver.state != ThreadState::stopped ||
               channel.applier.state != ThreadState::stopped;
    });
}

bool receivesFrom(const Inputs& inputs, const std::string& replica, const std::string& primary) {
    return anyChannelTo(inputs, replica, primary, [](const ReplicaChannel& channel) {
        return channel.receiver.state == evidence::ThreadState::running;
    });
}

std::string errantTransactions(const Database& replica, const Database& primary) {
    std::vector<Excess> excess;
    if (replica.mariadb && !primary.binlog_state.empty()) {
        const auto observed = newestObservation(primary.binlog_state);
        for (const auto& [gtid, track] : replica.binlog_state) {
            if (isWrittenBy(replica, gtid)) {
                addExcess(replica.binlog_state, primary.binlog_state, gtid, observed, excess);
            }
        }
    }
    if (excess.empty() && !primary.executed.empty()) {
        const auto observed = newestObservation(primary.executed);
        for (const auto& [gtid, track] : replica.executed) {
            // With several primaries, each lacks the others' transactions: only the replica's own are errant.
            const bool comparable = replica.channels.size() == 1 && primary.executed.contains(gtid);
            if (comparable || (!replica.mariadb && isWrittenBy(replica, gtid))) {
                addExcess(replica.executed, primary.executed, gtid, observed, excess);
            }
        }
    }
    std::string out;
    for (const auto& [gtid, transactions] : excess) {
        out += (out.empty() ? "" : ", ") + gtid + " (" + std::to_string(transactions) +
               (transactions == 1 ? " transaction)" : " transactions)");
    }
    return out;
}

}  // namespace lapwing::analysis::replication
