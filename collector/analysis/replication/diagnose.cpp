#include "collector/analysis/replication/diagnose.h"

#include <algorithm>
#include <cmath>

namespace lapwing::analysis::replication {

namespace {

constexpr double kMsPerSecond = 1000;
/// Below that a replica is in step; the alerts' thresholds are higher.
constexpr double kLagging = 5;
/// A lock that has been waited for so long explains a lag that has only begun.
constexpr double kBlocked = 2;
/// Without anything received, or finished, for so long it is standing still.
constexpr double kStandstill = 5;
/// A probe's word that is older says nothing of the present.
constexpr double kFresh = 15;
/// The heartbeat is written every second.
constexpr double kHeartbeatDead = 10;
/// A row that is older was left by somebody else, long ago.
constexpr double kHeartbeatForgotten = 86'400;
/// Clocks that differ by less spoil nothing.
constexpr double kSkew = 1;

double seconds(TimestampMs from, TimestampMs to) {
    return static_cast<double>(to - from) / kMsPerSecond;
}

void decide(Verdict& out, const char* state, const char* cause, Confidence confidence, std::string summary,
            std::string next_step) {
    out.state = state;
    out.cause = cause;
    out.confidence = confidence;
    out.summary = std::move(summary);
    out.next_step = std::move(next_step);
}

std::string on(const std::string& host, const std::string& what) {
    return "on " + host + ": " + what;
}

std::string primaryName(const Case& c) {
    return c.roles.primary.empty() ? "the primary" : c.roles.primary;
}

std::string statusOf(const Case& c) {
    return "replica status of " + c.replica_name;
}

bool says(const ThreadError& error, std::initializer_list<const char*> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const char* part) { return error.text.find(part) != std::string::npos; });
}

/// Error numbers of MySQL and MariaDB, and what their texts tell apart: 1236 (13114) has many reasons.
const char* receiverErrorCause(const ThreadError& error) {
    if (says(error,
             {"equal MySQL server", "equal MariaDB server", "with the same server_uuid",
              "with the same server_id", "same server id", "equal server ids", "equal server UUIDs"})) {
        return "duplicate_server_id";
    }
    if (says(error, {"slave has diverged", "not in the master's binlog", "more GTIDs than"})) {
        return "errant_transactions";
    }
    switch (error.number) {
        case 1044:
        case 1045:
        case 1129:
        case 1130:
        case 1227:
        case 1698:
        case 2061:
        case 3118:
        case 3159:
            return "credentials";
        case 1236:
        case 13114:
            return "binlog_purged";
        case 1593:
        case 13117:
            return "duplicate_server_id";
        default:
            return nullptr;
    }
}

std::string errorWords(const ThreadError& error) {
    return "error " + std::to_string(error.number) + (error.text.empty() ? "" : ": " + error.text);
}

void threadEvidence(const Case& c, Verdict& out) {
    for (const auto& [name, thread] : {std::pair("receiver (I/O thread)", &c.channel.receiver),
                                       std::pair("applier (SQL thread)", &c.channel.applier)}) {
        out.evidence.push_back({statusOf(c), std::string("the ") + name + " is " + thread->state});
        for (const auto& error : thread->errors) {
            out.evidence.push_back({statusOf(c), std::string("the ") + name + " gives " + errorWords(error)});
        }
    }
}

bool primaryDown(const Case& c) {
    const auto* primary = c.roles.facts;
    return primary != nullptr && primary->up == false && seconds(primary->heard, c.facts.now) < kFresh;
}

bool primarySilent(const Case& c) {
    const auto* primary = c.roles.facts;
    return primary == nullptr || !primary->up || seconds(primary->heard, c.facts.now) >= kFresh;
}

/// What attempts to connect from the replica's host to the primary's database showed last.
const ReachFact* reachOf(const Case& c) {
    const auto found = c.facts.reach.find({c.replica_name, c.roles.primary});
    return found == c.facts.reach.end() ? nullptr : &found->second;
}

void primaryEvidence(const Case& c, Verdict& out) {
    if (primaryDown(c)) {
        out.evidence.push_back({"mysql probe of " + c.roles.primary,
                                "the primary does not answer its own agent" +
                                    (c.roles.facts->failure.empty() ? "" : ": " + c.roles.facts->failure)});
    } else if (primarySilent(c)) {
        out.evidence.push_back({"collector", "nothing is heard of MySQL on " + primaryName(c) + " itself"});
    } else {
        out.evidence.push_back({"mysql probe of " + c.roles.primary, "the primary answers its own agent"});
    }
    if (const auto* reach = reachOf(c)) {
        out.evidence.push_back(
            {"attempt from " + c.replica_name, "a connection to the database of " + c.roles.primary +
                                                   " was " + reach->result + " " +
                                                   duration(seconds(reach->at, c.facts.now)) + " ago"});
    }
}

void decidePrimaryDown(const Case& c, Verdict& out, Confidence confidence) {
    decide(out, "broken", "primary_down", confidence,
           "the primary does not answer: MySQL on " + primaryName(c),
           on(primaryName(c), "systemctl status mariadb mysql; journalctl -n 50 -u mariadb -u mysql"));
    out.broken_part = "primary";
}

void decideNetwork(const Case& c, Verdict& out, Confidence confidence) {
    const std::string port = c.channel.source_port.empty() ? "3306" : c.channel.source_port;
    const std::string host = c.channel.source_host.empty() ? primaryName(c) : c.channel.source_host;
    decide(out, "broken", "network", confidence,
           "the network between " + primaryName(c) + " and its replica carries nothing",
           on(c.replica_name, "nc -vz -w 3 " + host + " " + port + "; then the firewalls of both hosts"));
    out.broken_part = "network";
}

void decideByReceiverError(const Case& c, Verdict& out, const char* cause, const ThreadError& error) {
    const std::string which(cause);
    const auto confidence =
        error.text.empty() && error.number != 1045 ? Confidence::suspected : Confidence::confirmed;
    const std::string number = " (error " + std::to_string(error.number) + ")";
    const auto restart = c.dialect.command(c.dialect.thread("START", "IO_THREAD"));
    out.broken_part = "receiver";
    if (which == "credentials") {
        decide(out, "broken", cause, confidence, "the primary refuses the replica's account" + number,
               on(c.replica_name, "set the right user and password, " +
                                      c.dialect.command(c.dialect.changeSource(primaryName(c))) + ", then " +
                                      restart));
    } else if (which == "binlog_purged") {
        decide(out, "broken", cause, confidence,
               "the primary no longer has the binary log that the replica needs" + number,
               "copy the data of " + primaryName(c) + " to " + c.replica_name + " anew (" +
                   (c.dialect.mariadb ? "mariabackup" : "the CLONE plugin or xtrabackup") +
                   "); nothing else brings back what was purged");
    } else if (which == "errant_transactions") {
        decide(
            out, "broken", cause, confidence,
            "the replica has transactions that the primary has not" + number,
            on(c.replica_name, c.dialect.command(c.dialect.status()) +
                                   "; compare the GTIDs of both servers, then copy the primary's data anew"));
    } else {
        decide(
            out, "broken", cause, confidence,
            "the replica has the same server id or UUID as another server" + number,
            on(c.replica_name,
               "give it a server_id of its own (on a cloned MySQL remove auto.cnf too), restart it, then " +
                   restart));
    }
}

bool receiverFailed(const Case& c, Verdict& out) {
    const auto& receiver = c.channel.receiver;
    if (receiver.state == "running" || receiver.state == "unknown") {
        return false;
    }
    for (const auto& error : receiver.errors) {
        if (const char* cause = receiverErrorCause(error)) {
            decideByReceiverError(c, out, cause, error);
            return true;
        }
    }
    primaryEvidence(c, out);
    if (primaryDown(c)) {
        decidePrimaryDown(c, out, Confidence::confirmed);
        return true;
    }
    if (receiver.state == "stopped") {
        const std::string number =
            receiver.errors.empty() ? "" : ", error " + std::to_string(receiver.errors.front().number);
        decide(out, "broken", "receiver_stopped", Confidence::confirmed,
               "the receiver (I/O thread) has stopped" + number,
               on(c.replica_name,
                  (number.empty() ? "" : c.dialect.command(c.dialect.status()) + " says why; then ") +
                      c.dialect.command(c.dialect.thread("START", "IO_THREAD"))));
        out.broken_part = "receiver";
        return true;
    }
    const bool refused = std::any_of(receiver.errors.begin(), receiver.errors.end(), [](const auto& error) {
        return says(error, {"(111", "Connection refused"});
    });
    if (primarySilent(c) && (refused || c.roles.facts != nullptr)) {
        decidePrimaryDown(c, out, Confidence::suspected);
    } else {
        decideNetwork(c, out, primarySilent(c) ? Confidence::suspected : Confidence::confirmed);
    }
    return true;
}

bool applierStopped(const Case& c, Verdict& out) {
    const auto& applier = c.channel.applier;
    if (applier.state != "stopped") {
        return false;
    }
    const std::string number =
        applier.errors.empty() ? "" : ", error " + std::to_string(applier.errors.front().number);
    if (number.empty()) {
        out.evidence.push_back(
            {statusOf(c), "the server gives no error: it was probably stopped on purpose"});
    }
    decide(out, "broken", "applier_stopped", Confidence::confirmed,
           "the applier (SQL thread) has stopped" + number,
           on(c.replica_name, (number.empty() ? ""
                                              : c.dialect.command(c.dialect.status()) +
                                                    " (Last_SQL_Error says why); mend that, then ") +
                                  c.dialect.command(c.dialect.thread("START", "SQL_THREAD"))));
    out.broken_part = "applier";
    return true;
}

/// The receiver claims to run, and the primary has had something for it for a while that it has not fetched.
bool receiverStalled(const Case& c, Verdict& out) {
    const auto* primary = c.roles.facts;
    if (primary == nullptr || c.channel.read.empty()) {
        return false;
    }
    const auto waiting = lagBehind(primary->written, c.channel.read.last().value, c.channel.at);
    const double silence = receiverSilence(c.channel);
    if (!waiting || waiting->low < kStandstill || silence < kStandstill) {
        return false;
    }
    out.evidence.push_back({"binary log of " + c.roles.primary + " and " + statusOf(c),
                            "the primary has written for " + duration(waiting->guess) +
                                " what the replica has not received; nothing has arrived for " +
                                duration(silence)});
    if (c.channel.seconds_behind) {
        out.evidence.push_back({statusOf(c), "Seconds_Behind says " + duration(*c.channel.seconds_behind) +
                                                 ": it counts only against what was received"});
    }
    primaryEvidence(c, out);
    const auto* reach = reachOf(c);
    const bool reached = reach != nullptr && reach->result == "open" &&
                         seconds(reach->at, c.channel.at) < silence - kStandstill;
    if (primaryDown(c)) {
        decidePrimaryDown(c, out, Confidence::confirmed);
    } else if (reached) {
        decide(out, "broken", "receiver_stalled", Confidence::confirmed,
               "the receiver is connected and fetches nothing, though the primary can be reached",
               on(c.replica_name, "df -h (is the disk of the relay logs full?); then " +
                                      c.dialect.command(c.dialect.thread("STOP", "IO_THREAD") + "; " +
                                                        c.dialect.thread("START", "IO_THREAD"))));
        out.broken_part = "receiver";
    } else if (primarySilent(c)) {
        decidePrimaryDown(c, out, Confidence::suspected);
    } else {
        decideNetwork(
            c, out,
            reach != nullptr && reach->result != "open" && seconds(reach->at, c.channel.at) < silence
                ? Confidence::confirmed
                : Confidence::suspected);
    }
    return true;
}

/// How long the applier has not finished anything.
double applierStandstill(const Case& c) {
    TimestampMs moved = 0;
    for (const auto& [name, track] : c.replica.executed) {
        moved = std::max(moved, track.standingSince().value_or(0));
    }
    if (c.replica.executed.empty() || c.replica.channels.size() > 1) {
        moved = c.channel.executed.standingSince().value_or(0);
    }
    return moved == 0 ? 0 : seconds(moved, c.channel.at);
}

bool behind(const Case& c, Verdict& out) {
    const double lag = *c.lag.lag_seconds;
    const auto longest = std::max_element(c.channel.blocked.begin(), c.channel.blocked.end(),
                                          [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    const bool waits = longest != c.channel.blocked.end() && longest->seconds > kBlocked;
    if (lag <= (waits ? kBlocked : kLagging)) {
        return false;
    }
    out.broken_part = "applier";
    const auto processes = c.dialect.command("SHOW FULL PROCESSLIST");
    if (waits) {
        const bool own = longest->kind == "transaction" && longest->blocker.empty();
        out.evidence.push_back(
            {"mysql probe of " + c.replica_name,
             "the applier has waited for " + duration(longest->seconds) + " (" + longest->kind +
                 (longest->blocker.empty() ? "" : ", held by connection " + longest->blocker) + ")" +
                 (longest->text.empty() ? "" : ": " + longest->text)});
        decide(out, "lagging", "blocked", Confidence::confirmed,
               own ? "the applier is busy with one long transaction"
                   : "the applier waits for a lock" +
                         (longest->blocker.empty() ? "" : " of connection " + longest->blocker),
               on(c.replica_name, processes + (longest->blocker.empty()
                                                   ? ""
                                                   : "; if connection " + longest->blocker + " may go: " +
                                                         c.dialect.command("KILL " + longest->blocker))));
        return true;
    }
    const double standing = applierStandstill(c);
    if (standing >= kStandstill) {
        out.evidence.push_back(
            {"position of " + c.replica_name,
             "the applier runs, and has finished no transaction for " + duration(standing)});
        if (c.replica.longest_transaction) {
            out.evidence.push_back(
                {"mysql probe of " + c.replica_name, "the oldest transaction there has been open for " +
                                                         duration(*c.replica.longest_transaction)});
        }
        decide(out, "lagging", "blocked", Confidence::suspected,
               "the applier finishes nothing: a lock, or one long transaction",
               on(c.replica_name, processes + " (a lock or a long statement of \"system user\"?)"));
        return true;
    }
    if (out.catching_up) {
        out.evidence.push_back(
            {"positions of both ends", *out.catching_up
                                           ? "it is catching up, and has not caught up yet"
                                           : "it falls further behind: it applies less than is written"});
    }
    decide(out, "lagging", "applier_slow", c.lag.both_ends ? Confidence::confirmed : Confidence::suspected,
           "the applier does not keep up with what is written",
           on(c.replica_name, processes + "; iostat -x 2 5; " +
                                  (c.dialect.mariadb ? "and consider slave_parallel_threads"
                                                     : "and consider replica_parallel_workers")));
    return true;
}

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
    const bool silent = primarySilent(c);
    const auto& rows = silent ? c.replica.heartbeats : primary->heartbeats;
    const auto row = rows.find(id);
    const bool old =
        row != rows.end() && row->second.age > kHeartbeatDead && row->second.age < kHeartbeatForgotten;
    // One beat that failed is no death: where there is a row, its age tells.
    const bool refuses = !silent && primary->heartbeat_writing == false && (old || row == rows.end());
    if (!old && !refuses) {
        return false;
    }
    const std::string where = silent ? c.replica_name : c.roles.primary;
    if (old) {
        out.evidence.push_back(
            {"heartbeat table on " + where, "the primary's row is " + duration(row->second.age) +
                                                " old there; it should be new every second"});
    }
    if (refuses) {
        out.evidence.push_back(
            {"mysql probe of " + where,
             "the agent does not write it" +
                 (primary->heartbeat_refused.empty() ? "" : ": " + primary->heartbeat_refused)});
    }
    primaryEvidence(c, out);
    decide(out, "at_risk", "heartbeat_dead", silent ? Confidence::suspected : Confidence::confirmed,
           "nobody writes the heartbeat on " + primaryName(c),
           on(primaryName(c), "systemctl status lapwing-agent; lapwing-agent status"));
    return true;
}

void unknownLag(const Case& c, Verdict& out) {
    const double silence = receiverSilence(c.channel);
    if (primarySilent(c)) {
        primaryEvidence(c, out);
        out.evidence.push_back(
            {statusOf(c), "nothing has arrived from the primary for " + duration(silence)});
    }
    if (!c.channel.seconds_behind) {
        out.evidence.push_back({statusOf(c), "the server tells no lag (NULL): it is unknown, not zero"});
    }
    decide(out, "unknown", "unknown", Confidence::unknown, "the lag cannot be told",
           on(primaryName(c), "lapwing-agent status; and on " + c.replica_name + ": " +
                                  c.dialect.command(c.dialect.status())));
}

}  // namespace

double receiverSilence(const ChannelFacts& channel) {
    TimestampMs heard =
        std::max(channel.read.standingSince().value_or(0), channel.heartbeats.standingSince().value_or(0));
    for (const auto& [name, track] : channel.received) {
        heard = std::max(heard, track.standingSince().value_or(0));
    }
    if (channel.last_heartbeat_age) {
        heard = std::max(heard,
                         channel.at - static_cast<TimestampMs>(*channel.last_heartbeat_age * kMsPerSecond));
    }
    return heard == 0 ? seconds(0, channel.at) : std::max(0.0, seconds(heard, channel.at));
}

void diagnose(const Case& c, Verdict& out) {
    threadEvidence(c, out);
    out.evidence.insert(out.evidence.end(), c.roles.evidence.begin(), c.roles.evidence.end());
    const auto transactions = c.roles.facts == nullptr ? "" : errantTransactions(c.replica, *c.roles.facts);
    if (!transactions.empty()) {
        const Evidence line{"GTIDs of both servers", "only the replica has " + transactions};
        out.evidence.push_back(line);
        out.obstacles.push_back(line);
    }
    for (const auto& remark : c.lag.remarks) {
        out.evidence.push_back({"estimators", remark});
    }
    if (receiverFailed(c, out) || applierStopped(c, out)) {
        return;
    }
    if (c.channel.receiver.state == "unknown" || c.channel.applier.state == "unknown") {
        decide(out, "unknown", "unknown", Confidence::unknown, "the state of its threads cannot be told",
               on(c.replica_name, c.dialect.command(c.dialect.status())));
        return;
    }
    if (receiverStalled(c, out)) {
        return;
    }
    if (!c.lag.lag_seconds) {
        unknownLag(c, out);
        return;
    }
    if (behind(c, out) || sameIdentity(c, out) || bothWritable(c, out) || errant(c, out, transactions) ||
        clockSkew(c, out) || heartbeatDead(c, out)) {
        return;
    }
    const auto confidence = c.lag.both_ends ? Confidence::confirmed : Confidence::suspected;
    if (!c.lag.both_ends) {
        out.evidence.push_back({"collector", "only the replica's own word is known of its lag"});
    }
    if (c.channel.delay_seconds > 0) {
        decide(out, "delayed", "delayed_deliberately", confidence,
               "the replica is held back by " + duration(c.channel.delay_seconds) + " on purpose", "");
        return;
    }
    decide(out, "ok", "healthy", confidence, "receiver and applier are running, and the replica is in step",
           "");
}

}  // namespace lapwing::analysis::replication
