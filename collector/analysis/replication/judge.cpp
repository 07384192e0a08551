#include <algorithm>
#include <tuple>
#include <utility>

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/absent_channels.h"
#include "collector/analysis/replication/causes.h"
#include "collector/analysis/replication/diagnose.h"
#include "collector/analysis/replication/verdict.h"

namespace lapwing::analysis::replication {

namespace {

using evidence::Database;
using evidence::ReplicaChannel;
using evidence::Track;

/// Servers give up on a silent connection after slave_net_timeout (default 60 s) and send heartbeats twice as
/// often. Seconds.
constexpr double kHeard = 65;
/// A replica that is further behind could not take over. Seconds.
constexpr double kUsable = 30;
/// The pace of a replica is that of this time.
constexpr std::int64_t kPaceMs = 30'000;

/// The receiver got something from the primary lately: a change that the collector observed, not merely the
/// first observation.
bool receiverProven(const ReplicaChannel& channel) {
    const auto moved = [](const Track& track) {
        return !track.empty() && track.standingSince().value_or(0) > track.first().at;
    };
    bool any = moved(channel.read) || moved(channel.heartbeats) || channel.last_heartbeat_age.has_value();
    for (const auto& [gtid, track] : channel.received) {
        any = any || moved(track);
    }
    return any && receiverSilence(channel) < kHeard;
}

/// Sets the lag, the distance and the pace.
void measure(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    verdict.lag_seconds = context.lag.lag_seconds;
    verdict.lag_source = context.lag.source;
    verdict.estimators = context.lag.estimators;
    if (primary == nullptr) {
        return;
    }
    const auto transactions = [&](TimestampMs at) {
        return context.roles.shared_domain
                   ? std::nullopt
                   : transactionsBehind(primary->executed, context.replica.executed, at);
    };
    const auto bytes = [&](TimestampMs at) { return bytesBehind(*primary, context.channel.executed, at); };
    const auto at = context.channel.at;
    verdict.transactions_behind = transactions(at);
    verdict.bytes_behind = bytes(at);
    const bool by_transactions = verdict.transactions_behind.has_value();
    const auto before = by_transactions ? transactions(at - kPaceMs) : bytes(at - kPaceMs);
    const auto now = by_transactions ? verdict.transactions_behind : verdict.bytes_behind;
    if (!before || !now || *now <= 0) {
        return;
    }
    verdict.catching_up = *now < *before;
    if (*verdict.catching_up) {
        verdict.even_in_seconds = *now / (*before - *now) * secondsBetween(0, kPaceMs);
    }
}

/// Adds reasons why the replica could not take over from the primary.
void addObstacles(const ChannelContext& context, Verdict& verdict) {
    const auto status = statusSource(context);
    const auto add = [&](const std::string& source, std::string text) {
        verdict.obstacles.push_back({source, std::move(text)});
    };
    const bool broken = verdict.state == State::broken;
    if (broken) {
        add("verdict", verdict.summary);
    }
    if (verdict.lag_seconds && *verdict.lag_seconds > kUsable) {
        add("verdict", "it is more than " + durationText(kUsable) + " behind");
    } else if (!verdict.lag_seconds && !broken) {
        add("verdict", "how far it is behind is not known");
    }
    if (context.channel.delay_seconds > 0) {
        add(status, "it is held back by " + durationText(context.channel.delay_seconds) + " on purpose");
    }
    if (context.replica.log_bin == false) {
        add("variables of " + context.replica_name,
            "log_bin is off: no other replica could follow it, and nothing could be rolled forward");
    }
    if (verdict.cause == Cause::duplicate_server_id && !broken) {
        add("verdict", verdict.summary);
    }
    for (const auto& filter : context.channel.filters) {
        add(status, "replication is filtered: " + filter);
    }
}

Verdict judgeChannel(const Inputs& inputs, const std::string& replica_name, const Database& replica,
                     const std::string& channel_name, const ReplicaChannel& channel) {
    const auto roles = rolesOf(inputs, replica_name, channel);
    if (replica.up != true || inputs.databases.now - channel.at > kStatusFreshMs) {
        // The status of a server that stopped answering is out of date.
        return silentVerdict(inputs, replica_name, channel_name, roles.primary, channel.at);
    }
    Verdict verdict;
    verdict.replica = replica_name;
    verdict.channel = channel_name;
    verdict.primary = roles.primary;
    verdict.delay_seconds = channel.delay_seconds;
    verdict.receiver = channel.receiver.state;
    verdict.applier = channel.applier.state;
    verdict.observed = channel.at;
    verdict.writable = acceptsWrites(replica);
    if (!replica.mariadb && replica.read_only == true && replica.super_read_only) {
        verdict.administrators = !*replica.super_read_only;
    }
    verdict.multi_primary = roles.multi_primary;
    if (roles.primary_server != nullptr) {
        verdict.primary_writable = acceptsWrites(*roles.primary_server);
    }
    auto standing = standingOf(inputs, replica_name, channel, roles);
    const auto lag =
        judgeLag(replica, channel, roles.primary_server, receiverProven(channel), roles.shared_domain);
    const ChannelContext context{inputs,
                                 replica_name,
                                 replica,
                                 channel_name,
                                 channel,
                                 roles,
                                 lag,
                                 Dialect(replica, channel_name),
                                 std::move(standing)};
    if (context.standing.standing == Standing::primary) {
        // A primary has no lag, and nothing to take over from.
        diagnose(context, verdict);
        return verdict;
    }
    measure(context, verdict);
    diagnose(context, verdict);
    addObstacles(context, verdict);
    // A declared primary may accept writes, unless its source accepts them too.
    const bool may_write =
        roles.multi_primary || (declaredAsPrimary(inputs, replica_name) && verdict.primary_writable != true &&
                                !isDeclared(inputs, roles.primary, replica_name));
    if (verdict.writable == true && !may_write) {
        verdict.forbid_writes_step = forbidWritesStep(context);
    }
    return verdict;
}

}  // namespace

std::vector<Verdict> judge(const Inputs& inputs) {
    std::vector<Verdict> out;
    for (const auto& [replica_name, replica] : inputs.databases.servers) {
        for (const auto& [channel_name, channel] : replica.channels) {
            out.push_back(judgeChannel(inputs, replica_name, replica, channel_name, channel));
        }
    }
    addSilentChannels(inputs, out);
    addMissingPairs(inputs, out);
    std::sort(out.begin(), out.end(), [](const Verdict& a, const Verdict& b) {
        return std::tie(a.replica, a.channel) < std::tie(b.replica, b.channel);
    });
    return out;
}

}  // namespace lapwing::analysis::replication
