#include <cmath>

#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

/// The heartbeat is written every second.
constexpr double kHeartbeatDead = 10;
/// A row that is older was left by somebody else, long ago.
constexpr double kHeartbeatForgotten = 86'400;
/// Clocks that differ by less spoil nothing.
constexpr double kSkew = 1;

}  // namespace

bool sameIdentity(const Case& c, Verdict& out) {
    const auto* primary = c.roles.facts;
    if (primary == nullptr) {
        return false;
    }
    const bool uuid = !primary->server_uuid.empty() && primary->server_uuid == c.replica.server_uuid;
    const bool id = !primary->server_id.empty() && primary->server_id == c.replica.server_id;
    if (!uuid && !id) {
        return false;
    }
    out.evidence.push_back({"mysql probes of " + c.roles.primary + " and " + c.replica_name,
                            uuid ? "both have the server UUID " + c.replica.server_uuid
                                 : "both have server_id " + c.replica.server_id});
    decide(out, "at_risk", "duplicate_server_id", Confidence::confirmed,
           "primary and replica have the same identity",
           on(c.replica_name,
              "give it a server_id of its own (on a cloned MySQL remove auto.cnf too) and restart it"));
    return true;
}

bool bothWritable(const Case& c, Verdict& out) {
    if (out.writable != true || out.primary_writable != true || c.roles.multi_primary) {
        return false;
    }
    out.evidence.push_back({"variables of both servers", "read_only is off on " + c.roles.primary +
                                                             " and on " + c.replica_name +
                                                             ", and no multi-primary is declared"});
    decide(out, "at_risk", "both_writable", Confidence::confirmed, "primary and replica both accept writes",
           on(c.replica_name, c.dialect.command(c.dialect.mariadb ? "SET GLOBAL read_only = 1"
                                                                  : "SET GLOBAL super_read_only = 1") +
                                  " and the same in its configuration file"));
    return true;
}

bool errant(const Case& c, Verdict& out, const std::string& transactions) {
    if (transactions.empty() || c.roles.multi_primary) {
        return false;
    }
    decide(out, "at_risk", "errant_transactions", Confidence::confirmed,
           "the replica has transactions of its own",
           on(c.replica_name,
              c.dialect.command(c.dialect.mariadb ? "SELECT @@gtid_binlog_state" : "SELECT @@gtid_executed") +
                  "; look at them in its binary log, repeat them on the primary or copy its data anew"));
    return true;
}

bool clockSkew(const Case& c, Verdict& out) {
    const auto* primary = c.roles.facts;
    if (primary == nullptr || !primary->clock || !c.replica.clock) {
        return false;
    }
    const double difference = *c.replica.clock - *primary->clock;
    if (std::abs(difference) <= kSkew + primary->clock_error + c.replica.clock_error) {
        return false;
    }
    out.evidence.push_back({"clocks of both servers, against the collector's",
                            "the clock of " + c.replica_name + " is " + duration(std::abs(difference)) +
                                (difference > 0 ? " ahead of" : " behind") + " that of " + c.roles.primary});
    decide(out, "at_risk", "clock_skew", Confidence::confirmed, "the clocks of primary and replica differ",
           on(c.replica_name, "timedatectl; and the same on " + c.roles.primary));
    return true;
}

bool heartbeatDead(const Case& c, Verdict& out) {
    const auto* primary = c.roles.facts;
    const auto id =
        primary != nullptr && !primary->server_id.empty() ? primary->server_id : c.channel.source_server_id;
    const auto* heard = primarySilent(c) ? nullptr : primary;
    const auto& rows = heard == nullptr ? c.replica.heartbeats : heard->heartbeats;
    const auto row = rows.find(id);
    const bool old =
        row != rows.end() && row->second.age > kHeartbeatDead && row->second.age < kHeartbeatForgotten;
    // One beat that failed is no death: where there is a row, its age tells.
    const bool refuses = heard != nullptr && heard->heartbeat_writing == false && (old || row == rows.end());
    if (!old && !refuses) {
        return false;
    }
    const std::string where = heard == nullptr ? c.replica_name : c.roles.primary;
    if (old) {
        out.evidence.push_back(
            {"heartbeat table on " + where, "the primary's row is " + duration(row->second.age) +
                                                " old there; it should be new every second"});
    }
    if (refuses) {
        out.evidence.push_back(
            {"mysql probe of " + where,
             "the agent does not write it" +
                 (heard->heartbeat_refused.empty() ? "" : ": " + heard->heartbeat_refused)});
    }
    primaryEvidence(c, out);
    decide(out, "at_risk", "heartbeat_dead", heard == nullptr ? Confidence::suspected : Confidence::confirmed,
           "nobody writes the heartbeat on " + primaryName(c),
           on(primaryName(c), "systemctl status lapwing-agent; lapwing-agent status"));
    return true;
}

}  // namespace lapwing::analysis::replication
