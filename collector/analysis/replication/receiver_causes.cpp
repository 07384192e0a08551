#include <algorithm>

#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

/// Without anything received, or finished, for so long it is standing still.
constexpr double kStandstill = 5;

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

}  // namespace

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

}  // namespace lapwing::analysis::replication
