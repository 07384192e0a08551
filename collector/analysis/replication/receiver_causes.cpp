#include <algorithm>
#include <initializer_list>
#include <optional>

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

/// A receiver that has received nothing for so long, though events wait for it, stands still. Seconds.
constexpr double kStandstill = 5;
constexpr int kAccessDenied = 1045;
constexpr std::uint16_t kMysqlPort = 3306;

bool mentions(const evidence::ThreadError& error, std::initializer_list<const char*> phrases) {
    return std::any_of(phrases.begin(), phrases.end(),
                       [&](const char* phrase) { return error.text.find(phrase) != std::string::npos; });
}

/// The cause that an error of the receiver names: by its text first, because 1236 (13114) has many reasons,
/// then by its number (MySQL's and MariaDB's error references).
std::optional<Cause> causeOf(const evidence::ThreadError& error) {
    if (mentions(error,
                 {"equal MySQL server", "equal MariaDB server", "with the same server_uuid",
                  "with the same server_id", "same server id", "equal server ids", "equal server UUIDs"})) {
        return Cause::duplicate_server_id;
    }
    if (mentions(error, {"slave has diverged", "not in the master's binlog", "more GTIDs than"})) {
        return Cause::errant_transactions;
    }
    switch (error.number) {
        case 1044:
        case kAccessDenied:
        case 1129:
        case 1130:
        case 1227:
        case 1698:
        case 2061:
        case 3118:
        case 3159:
            return Cause::credentials;
        case 1236:
        case 13114:
            return Cause::binlog_purged;
        case 1593:
        case 13117:
            return Cause::duplicate_server_id;
        default:
            return std::nullopt;
    }
}

void decidePrimaryDown(const ChannelContext& context, Verdict& verdict, Confidence confidence) {
    decide(
        verdict, Cause::primary_down, confidence,
        "the primary does not answer: MySQL on " + primaryName(context),
        onHost(primaryName(context), "systemctl status mariadb mysql; journalctl -n 50 -u mariadb -u mysql"));
}

void decideNetwork(const ChannelContext& context, Verdict& verdict, Confidence confidence) {
    const auto& source = context.channel.source;
    const auto host = source.host.empty() ? primaryName(context) : source.host;
    const auto port = source.port == 0 ? kMysqlPort : source.port;
    decide(verdict, Cause::network, confidence,
           "the network between " + primaryName(context) + " and its replica carries nothing",
           onHost(context.replica_name,
                  "nc -vz -w 3 " + host + " " + std::to_string(port) + "; then the firewalls of both hosts"));
}

struct Advice {
    std::string summary;
    std::string next_step;
};

Advice adviceFor(const ChannelContext& context, Cause cause) {
    const auto& dialect = context.dialect;
    const auto& replica = context.replica_name;
    const auto restart = dialect.command(dialect.thread("START", "IO_THREAD"));
    if (cause == Cause::credentials) {
        return {"the primary refuses the replica's account",
                onHost(replica, "set the right user and password, " +
                                    dialect.command(dialect.changeSource(primaryName(context))) + ", then " +
                                    restart)};
    }
    if (cause == Cause::binlog_purged) {
        return {"the primary no longer has the binary log that the replica needs",
                "copy the data of " + primaryName(context) + " to " + replica + " anew (" +
                    (dialect.mariadb ? "mariabackup" : "the CLONE plugin or xtrabackup") +
                    "); nothing else brings back what was purged"};
    }
    if (cause == Cause::errant_transactions) {
        return {
            "the replica has transactions that the primary has not",
            onHost(replica, dialect.command(dialect.status()) +
                                "; compare the GTIDs of both servers, then copy the primary's data anew")};
    }
    return {
        "the replica has the same server id or UUID as another server",
        onHost(replica,
               "give it a server_id of its own (on a cloned MySQL remove auto.cnf too), restart it, then " +
                   restart)};
}

void decideByReceiverError(const ChannelContext& context, Verdict& verdict, Cause cause,
                           const evidence::ThreadError& error) {
    const auto confidence =
        error.text.empty() && error.number != kAccessDenied ? Confidence::suspected : Confidence::confirmed;
    auto advice = adviceFor(context, cause);
    decide(verdict, cause, confidence, advice.summary + " (error " + std::to_string(error.number) + ")",
           std::move(advice.next_step));
    verdict.state = State::broken;
    verdict.broken_part = BrokenPart::receiver;
}

void decideReceiverStopped(const ChannelContext& context, Verdict& verdict) {
    const auto& errors = context.channel.receiver.errors;
    const std::string number = errors.empty() ? "" : ", error " + std::to_string(errors.front().number);
    const auto& dialect = context.dialect;
    decide(verdict, Cause::receiver_stopped, Confidence::confirmed,
           "the receiver (I/O thread) has stopped" + number,
           onHost(context.replica_name,
                  (number.empty() ? "" : dialect.command(dialect.status()) + " says why; then ") +
                      dialect.command(dialect.thread("START", "IO_THREAD"))));
}

void decideReceiverStalled(const ChannelContext& context, Verdict& verdict) {
    const auto& dialect = context.dialect;
    decide(verdict, Cause::receiver_stalled, Confidence::confirmed,
           "the receiver is connected and fetches nothing, though the primary can be reached",
           onHost(context.replica_name, "df -h (is the disk of the relay logs full?); then " +
                                            dialect.command(dialect.thread("STOP", "IO_THREAD") + "; " +
                                                            dialect.thread("START", "IO_THREAD"))));
}

void addStallEvidence(const ChannelContext& context, Verdict& verdict, double waiting, double silence) {
    verdict.evidence.push_back({"binary log of " + context.roles.primary + " and " + statusSource(context),
                                "the primary has written for " + durationText(waiting) +
                                    " what the replica has not received; nothing has arrived for " +
                                    durationText(silence)});
    if (context.channel.seconds_behind) {
        verdict.evidence.push_back({statusSource(context), "Seconds_Behind says " +
                                                               durationText(*context.channel.seconds_behind) +
                                                               ": it counts only against what was received"});
    }
    addPrimaryEvidence(context, verdict);
}

}  // namespace

bool receiverFailed(const ChannelContext& context, Verdict& verdict) {
    const auto& receiver = context.channel.receiver;
    if (receiver.state == evidence::ThreadState::running ||
        receiver.state == evidence::ThreadState::unknown) {
        return false;
    }
    for (const auto& error : receiver.errors) {
        if (const auto cause = causeOf(error)) {
            decideByReceiverError(context, verdict, *cause, error);
            return true;
        }
    }
    addPrimaryEvidence(context, verdict);
    if (primaryDown(context)) {
        decidePrimaryDown(context, verdict, Confidence::confirmed);
        return true;
    }
    if (receiver.state == evidence::ThreadState::stopped) {
        decideReceiverStopped(context, verdict);
        return true;
    }
    const bool refused = std::any_of(receiver.errors.begin(), receiver.errors.end(), [](const auto& error) {
        return mentions(error, {"(111", "Connection refused"});
    });
    if (primarySilent(context) && (refused || context.roles.primary_server != nullptr)) {
        decidePrimaryDown(context, verdict, Confidence::suspected);
    } else {
        decideNetwork(context, verdict,
                      primarySilent(context) ? Confidence::suspected : Confidence::confirmed);
    }
    return true;
}

bool receiverStalled(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    const auto& channel = context.channel;
    if (primary == nullptr || channel.read.empty()) {
        return false;
    }
    const auto waiting = lagBehind(primary->written, channel.read.last().value, channel.at);
    const double silence = receiverSilence(channel);
    if (!waiting || waiting->low < kStandstill || silence < kStandstill) {
        return false;
    }
    addStallEvidence(context, verdict, waiting->guess, silence);
    const auto* reach = reachOf(context);
    const double reach_age = reach == nullptr ? 0 : secondsBetween(reach->at, channel.at);
    const bool open = reach != nullptr && reach->result == evidence::ConnectResult::open;
    const bool reached = open && reach_age < silence - kStandstill;
    const bool not_reached = reach != nullptr && !open && reach_age < silence;
    if (primaryDown(context)) {
        decidePrimaryDown(context, verdict, Confidence::confirmed);
    } else if (reached) {
        decideReceiverStalled(context, verdict);
    } else if (primarySilent(context)) {
        decidePrimaryDown(context, verdict, Confidence::suspected);
    } else {
        decideNetwork(context, verdict, not_reached ? Confidence::confirmed : Confidence::suspected);
    }
    return true;
}

}  // namespace lapwing::analysis::replication
