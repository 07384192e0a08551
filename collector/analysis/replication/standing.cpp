#include "collector/analysis/replication/standing.h"

#include <algorithm>

#include "collector/analysis/replication/absent_channels.h"

namespace lapwing::analysis::replication {

namespace {

using evidence::Database;
using evidence::ThreadState;

constexpr std::int64_t kLatelyMs = 60'000;

bool grewLately(const evidence::Track& track, TimestampMs now) {
    const auto since = track.standingSince();
    return since && *since > track.first().at && now - *since < kLatelyMs;
}

/// The server that the channel names answers and accepts writes.
bool sourceIsPrimary(const Roles& roles) {
    const auto* source = roles.primary_server;
    return source != nullptr && source->answers() && acceptsWrites(*source) == true;
}

StandingJudgement ofDeclaredReplica(const Inputs& inputs, const std::string& replica, const Roles& roles) {
    const auto& server = inputs.databases.servers.at(replica);
    const bool source_answers = roles.primary_server != nullptr && roles.primary_server->answers();
    if (source_answers || acceptsWrites(server) != true) {
        return {Standing::replica, "site.replication declares it a replica"};
    }
    if (writesArrive(server, inputs.databases.now)) {
        return {Standing::primary, "it accepts writes and gets them, and " + roles.primary +
                                       " does not answer: it has been promoted, and site.replication is out "
                                       "of date"};
    }
    return {Standing::unclear, "whether " + replica + " has been promoted: it accepts writes, and " +
                                   roles.primary + " does not answer"};
}

StandingJudgement ofUndeclared(const Inputs& inputs, const std::string& replica,
                               const evidence::ReplicaChannel& channel, const Roles& roles,
                               const std::vector<std::string>& followers) {
    const auto& server = inputs.databases.servers.at(replica);
    const bool stopped =
        channel.receiver.state == ThreadState::stopped && channel.applier.state == ThreadState::stopped;
    if (acceptsWrites(server) == false) {
        return {Standing::replica, "it accepts no writes"};
    }
    const bool works_as_primary = !followers.empty() || writesArrive(server, inputs.databases.now);
    const std::string works = followers.empty()
                                  ? "it accepts writes and gets them"
                                  : "it accepts writes, and " + followers.front() + " follows it";
    if (works_as_primary && !sourceIsPrimary(roles)) {
        return stopped ? StandingJudgement{Standing::primary, works}
                       : StandingJudgement{Standing::unclear,
                                           "whether " + replica + " is a primary or a replica: " + works};
    }
    if (sourceIsPrimary(roles) && !works_as_primary) {
        return {Standing::replica, roles.primary + " answers and accepts writes"};
    }
    return {Standing::unclear, "whether " + replica +
                                   " is a primary or a replica: site.replication does not say, and " +
                                   (works_as_primary ? works : "it may accept writes")};
}

}  // namespace

std::vector<std::string> followersOf(const Inputs& inputs, const std::string& primary) {
    std::vector<std::string> out;
    for (const auto& [name, server] : inputs.databases.servers) {
        if (name != primary && receivesFrom(inputs, name, primary)) {
            out.push_back(name);
        }
    }
    return out;
}

bool writesArrive(const Database& server, TimestampMs now) {
    if (server.heartbeat_writing == true) {
        return true;
    }
    const auto& tracks = server.mariadb ? server.binlog_state : server.executed;
    return std::any_of(tracks.begin(), tracks.end(), [&](const auto& track) {
        return isWrittenBy(server, track.first) && grewLately(track.second, now);
    });
}

StandingJudgement standingOf(const Inputs& inputs, const std::string& replica,
                             const evidence::ReplicaChannel& channel, const Roles& roles) {
    if (channel.receiver.state == ThreadState::running) {
        return {Standing::replica, "it receives from " + roles.primary};
    }
    if (roles.multi_primary) {
        return {Standing::replica, "site.replication declares the pair in both directions"};
    }
    const auto& server = inputs.databases.servers.at(replica);
    const auto followers = followersOf(inputs, replica);
    if (std::find(followers.begin(), followers.end(), roles.primary) != followers.end()) {
        // Only one thread of it stands still, and the source accepts writes: a ring that was in use.
        const bool in_use = channel.applier.state == ThreadState::running && sourceIsPrimary(roles);
        return in_use
                   ? StandingJudgement{Standing::unclear, "whether the channel is in use: " + roles.primary +
                                                              " follows " + replica + ", and accepts writes"}
                   : StandingJudgement{Standing::primary, roles.primary + " follows it"};
    }
    const bool changed_roles = acceptsWrites(server) == false && sourceIsPrimary(roles);
    if (declaredAsReplica(inputs, replica)) {
        return ofDeclaredReplica(inputs, replica, roles);
    }
    if (declaredAsPrimary(inputs, replica)) {
        return changed_roles
                   ? StandingJudgement{Standing::replica, roles.primary + " accepts writes, and it does not"}
                   : StandingJudgement{Standing::primary, "site.replication declares it the primary"};
    }
    return ofUndeclared(inputs, replica, channel, roles, followers);
}

}  // namespace lapwing::analysis::replication
