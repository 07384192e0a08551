#include <cmath>

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

/// A row that is older is no longer written; the writer writes one a second. Seconds.
constexpr double kHeartbeatDead = 10;
/// A row that is older belongs to a server that was removed. Seconds.
constexpr double kHeartbeatForgotten = 86'400;
/// A smaller difference of the clocks distorts no verdict. Seconds.
constexpr double kSkew = 1;

/// The server's agent has reported for so long that it writes no heartbeat.
bool hasNotBeatenFor(const evidence::Database& server, double seconds) {
    const auto since = server.beating.standingSince();
    return since && secondsBetween(*since, server.beating.last().at) > seconds;
}

/// Its agent does not write the heartbeat, and is not at fault: the server is a replica as well, accepts no
/// writes, or lets commits wait.
bool cannotBeat(const evidence::Database& server) {
    const auto& reason = server.heartbeat_refused;
    return reason == "read_only" || reason == "has_channel" || reason == "not_primary" || reason == "waiting";
}

}  // namespace

std::string forbidWritesStep(const ChannelContext& context) {
    const auto& replica = context.replica_name;
    const auto primary = primaryName(context);
    auto step =
        onHost(replica, context.dialect.command(context.dialect.mariadb ? "SET GLOBAL read_only = 1"
                                                                        : "SET GLOBAL super_read_only = 1") +
                            " and the same in its configuration file");
    if (declaredAsPrimary(context.inputs, replica) && !isDeclared(context.inputs, primary, replica)) {
        return "Incomplete: it is not known which server is to be written to: site.replication declares " +
               replica + " a primary, and it receives from " + primary + ". If it is " + replica +
               ", declare the pair in both directions, or end its channel. If it is " + primary +
               ", correct site.replication; then " + step;
    }
    if (context.standing.standing == Standing::unclear) {
        return "Incomplete: it is not known " + context.standing.reason + ". If it is a replica: " + step;
    }
    if (writesArrive(context.replica, context.inputs.databases.now)) {
        return "Incomplete: it is not known who writes to " + replica +
               ", and read_only would refuse these writes. First find them (" +
               context.dialect.command("SHOW FULL PROCESSLIST") + " there) and point them to " + primary +
               "; then " + step;
    }
    return step;
}

bool sameIdentity(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    if (primary == nullptr) {
        return false;
    }
    const bool uuid = !primary->server_uuid.empty() && primary->server_uuid == context.replica.server_uuid;
    const bool id = !primary->server_id.empty() && primary->server_id == context.replica.server_id;
    if (!uuid && !id) {
        return false;
    }
    verdict.evidence.push_back({"mysql probes of " + context.roles.primary + " and " + context.replica_name,
                                uuid ? "both have the server UUID " + context.replica.server_uuid
                                     : "both have server_id " + context.replica.server_id});
    decide(verdict, Cause::duplicate_server_id, Confidence::confirmed,
           "primary and replica have the same identity",
           onHost(context.replica_name,
                  "give it a server_id of its own (on a cloned MySQL remove auto.cnf too) and restart it"));
    return true;
}

bool bothWritable(const ChannelContext& context, Verdict& verdict) {
    if (verdict.writable != true || verdict.primary_writable != true || context.roles.multi_primary) {
        return false;
    }
    verdict.evidence.push_back({"variables of both servers", "read_only is off on " + context.roles.primary +
                                                                 " and on " + context.replica_name +
                                                                 ", and no multi-primary is declared"});
    decide(verdict, Cause::both_writable, Confidence::confirmed, "primary and replica both accept writes",
           forbidWritesStep(context));
    return true;
}

bool hasErrantTransactions(const ChannelContext& context, Verdict& verdict, const std::string& transactions) {
    if (transactions.empty() || context.roles.multi_primary) {
        return false;
    }
    decide(verdict, Cause::errant_transactions, Confidence::confirmed,
           "the replica has transactions of its own",
           onHost(context.replica_name,
                  context.dialect.command(context.dialect.mariadb ? "SELECT @@gtid_binlog_state"
                                                                  : "SELECT @@gtid_executed") +
                      "; look at them in its binary log, repeat them on the primary or copy its data anew"));
    return true;
}

bool clockSkew(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    if (primary == nullptr || !primary->clock || !context.replica.clock) {
        return false;
    }
    const double difference = *context.replica.clock - *primary->clock;
    if (std::abs(difference) <= kSkew + primary->clock_error + context.replica.clock_error) {
        return false;
    }
    verdict.evidence.push_back(
        {"clocks of both servers, against the collector's",
         "the clock of " + context.replica_name + " is " + durationText(std::abs(difference)) +
             (difference > 0 ? " ahead of" : " behind") + " that of " + context.roles.primary});
    decide(verdict, Cause::clock_skew, Confidence::confirmed, "the clocks of primary and replica differ",
           onHost(context.replica_name, "timedatectl; and the same on " + context.roles.primary));
    return true;
}

bool heartbeatDead(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    const auto id = primary != nullptr && !primary->server_id.empty() ? primary->server_id
                                                                      : context.channel.source_server_id;
    const auto* answering = primarySilent(context) ? nullptr : primary;
    const auto& rows = answering == nullptr ? context.replica.heartbeats : answering->heartbeats;
    const auto row = rows.find(id);
    const bool old =
        row != rows.end() && row->second.age > kHeartbeatDead && row->second.age < kHeartbeatForgotten;
    // Without the row the verdict is less certain, not wrong. A leftover channel is told at its own server.
    if (answering != nullptr && cannotBeat(*answering)) {
        verdict.evidence.push_back({"mysql probe of " + context.roles.primary,
                                    "the agent writes no heartbeat there: " + answering->heartbeat_refused});
        return false;
    }
    // A single failed write proves nothing: the age of an existing row decides. Without a row the writer may
    // only have started.
    const bool refuses = answering != nullptr && answering->heartbeat_writing == false &&
                         (old || (row == rows.end() && hasNotBeatenFor(*answering, kHeartbeatDead)));
    if (!old && !refuses) {
        return false;
    }
    const std::string reader = answering == nullptr ? context.replica_name : context.roles.primary;
    if (old) {
        verdict.evidence.push_back(
            {"heartbeat table on " + reader, "the primary's row is " + durationText(row->second.age) +
                                                 " old there; it should be new every second"});
    }
    if (refuses) {
        verdict.evidence.push_back(
            {"mysql probe of " + reader,
             "the agent does not write it" +
                 (answering->heartbeat_refused.empty() ? "" : ": " + answering->heartbeat_refused)});
    }
    addPrimaryEvidence(context, verdict);
    decide(verdict, Cause::heartbeat_dead,
           answering == nullptr ? Confidence::suspected : Confidence::confirmed,
           "nobody writes the heartbeat on " + primaryName(context),
           onHost(primaryName(context), "systemctl status lapwing-agent; lapwing-agent status"));
    return true;
}

}  // namespace lapwing::analysis::replication
