#include "collector/analysis/replication/roles.h"

#include <algorithm>

namespace lapwing::analysis::replication {

namespace {

/// Between two looks at two servers; the replica's must be the earlier.
constexpr std::int64_t kApartMs = 1000;
/// What was not seen for so long says nothing of the present.
constexpr std::int64_t kOldMs = 60'000;

/// The one other instance of which `field` is the value; "" if there is none, or more than one.
std::string only(const Databases& facts, const std::string& replica, std::string DatabaseFacts::*field,
                 const std::string& value) {
    std::string found;
    if (value.empty() || value == "0") {
        return found;
    }
    for (const auto& [name, server] : facts.servers) {
        if (name != replica && server.*field == value) {
            if (!found.empty()) {
                return {};
            }
            found = name;
        }
    }
    return found;
}

/// "" where several are declared, too: which of them a channel is to follow is not.
std::string declaredPrimary(const Databases& facts, const std::string& replica) {
    std::string found;
    for (const auto& pair : facts.declared) {
        if (pair.replica == replica) {
            if (!found.empty()) {
                return {};
            }
            found = pair.primary;
        }
    }
    return found;
}

std::string discovered(const Databases& facts, const std::string& replica, const ChannelFacts& channel) {
    if (auto found = only(facts, replica, &DatabaseFacts::server_uuid, channel.source_uuid); !found.empty()) {
        return found;
    }
    if (const auto host = facts.hosts.find(channel.source_host);
        host != facts.hosts.end() && host->second != replica) {
        return host->second;
    }
    if (facts.servers.contains(channel.source_host) && channel.source_host != replica) {
        return channel.source_host;
    }
    return only(facts, replica, &DatabaseFacts::server_id, channel.source_server_id);
}

bool sharesDomain(const Databases& facts, const std::string& replica, const Roles& roles) {
    const auto& server = facts.servers.at(replica);
    if (!server.mariadb || roles.facts == nullptr || server.channels.size() < 2) {
        return false;
    }
    return std::any_of(server.channels.begin(), server.channels.end(), [&](const auto& channel) {
        const auto name = discovered(facts, replica, channel.second);
        if (name == roles.primary) {
            return false;
        }
        const auto other = facts.servers.find(name);
        return other == facts.servers.end() ||
               std::any_of(other->second.executed.begin(), other->second.executed.end(),
                           [&](const auto& track) { return roles.facts->executed.contains(track.first); });
    });
}

struct Excess {
    std::string name;
    std::int64_t count = 0;
};

/// What the replica had of `name` before the primary was looked at, beyond what the primary had then.
void compare(const GtidTracks& replica, const GtidTracks& primary, const std::string& name,
             TimestampMs looked, std::vector<Excess>& out) {
    const auto own = replica.find(name);
    if (own == replica.end() || own->second.last().at < looked - kOldMs) {
        return;
    }
    const auto has = own->second.valueAt(looked - kApartMs);
    const auto there = primary.find(name);
    const auto known = there == primary.end() ? 0 : there->second.valueAt(looked).value_or(0);
    if (has && *has > known) {
        out.push_back({name, *has - known});
    }
}

TimestampMs lookedAt(const GtidTracks& tracks) {
    TimestampMs out = 0;
    for (const auto& [name, track] : tracks) {
        out = std::max(out, track.last().at);
    }
    return out;
}

/// MariaDB's binary log state as tracks has "domain-server"; MySQL's sets have "UUID" or "UUID:TAG".
bool isOwn(const DatabaseFacts& replica, const std::string& name) {
    return replica.mariadb ? name.ends_with("-" + replica.server_id) && !replica.server_id.empty()
                           : !replica.server_uuid.empty() && name.starts_with(replica.server_uuid);
}

}  // namespace

bool isDeclared(const Databases& facts, const std::string& primary, const std::string& replica) {
    return std::any_of(facts.declared.begin(), facts.declared.end(),
                       [&](const auto& pair) { return pair.primary == primary && pair.replica == replica; });
}

Roles rolesOf(const Databases& facts, const std::string& replica, const ChannelFacts& channel) {
    Roles out;
    const auto declared = declaredPrimary(facts, replica);
    const auto found = discovered(facts, replica, channel);
    out.primary = !found.empty() ? found : !declared.empty() ? declared : channel.source_host;
    if (const auto server = facts.servers.find(out.primary); server != facts.servers.end()) {
        out.facts = &server->second;
    }
    out.shared_domain = sharesDomain(facts, replica, out);
    out.multi_primary = isDeclared(facts, out.primary, replica) && isDeclared(facts, replica, out.primary);
    if (found.empty() || isDeclared(facts, found, replica)) {
        return out;
    }
    if (isDeclared(facts, replica, found)) {
        out.evidence.push_back(
            {"configuration", "site.replication says that " + found + " is a replica of " + replica +
                                  "; they have changed roles. Once that is to stay, say so there"});
    } else if (!declared.empty()) {
        out.evidence.push_back({"configuration", "site.replication says that " + replica +
                                                     " is a replica of " + declared + "; it follows " +
                                                     found});
    }
    return out;
}

bool follows(const Databases& facts, const std::string& replica, const std::string& primary) {
    const auto server = facts.servers.find(replica);
    if (server == facts.servers.end() || server->second.up != true) {
        return false;
    }
    return std::any_of(
        server->second.channels.begin(), server->second.channels.end(),
        [&](const auto& channel) { return discovered(facts, replica, channel.second) == primary; });
}

std::string errantTransactions(const DatabaseFacts& replica, const DatabaseFacts& primary) {
    std::vector<Excess> excess;
    if (replica.mariadb && !primary.binlog_state.empty()) {
        const auto looked = lookedAt(primary.binlog_state);
        for (const auto& [name, track] : replica.binlog_state) {
            if (isOwn(replica, name)) {
                compare(replica.binlog_state, primary.binlog_state, name, looked, excess);
            }
        }
    }
    if (excess.empty() && !primary.executed.empty()) {
        const auto looked = lookedAt(primary.executed);
        for (const auto& [name, track] : replica.executed) {
            // Of several primaries each has a part only; what is the replica's own no primary gave it.
            const bool shared = replica.channels.size() == 1 && primary.executed.contains(name);
            if (shared || (!replica.mariadb && isOwn(replica, name))) {
                compare(replica.executed, primary.executed, name, looked, excess);
            }
        }
    }
    std::string out;
    for (const auto& one : excess) {
        out += (out.empty() ? "" : ", ") + one.name + " (" + std::to_string(one.count) +
               (one.count == 1 ? " transaction)" : " transactions)");
    }
    return out;
}

}  // namespace lapwing::analysis::replication
