#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/causes.h"
#include "collector/analysis/replication/receiver_advice.h"
#include "collector/analysis/replication/stated_causes.h"

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

/// The primary's own agent has got answers since the receiver last heard the primary, and for long enough
/// that the receiver must have tried to connect again.
bool primaryAnsweredSince(const ChannelContext& context) {
    constexpr double apart = 5;      // a server that ends closes its replicas' connections first
    constexpr double next_try = 65;  // MASTER_CONNECT_RETRY is 60 s unless set
    const auto* primary = context.roles.primary_server;
    if (primary == nullptr) {
        return true;
    }
    const auto& answering = primary->answering;
    const auto& points = answering.points();
    const bool was_down =
        !points.empty() && answering.last().value == 1 && *answering.standingSince() > answering.first().at;
    if (was_down && secondsBetween(*answering.standingSince(), context.channel.at) < next_try) {
        return false;
    }
    return receiverSilence(context.channel) - secondsBetween(primary->heard, context.channel.at) > apart;
}

/// One of the receiver's errors is of that class.
bool saysClass(const ChannelContext& context, database::ErrorClass kind) {
    const auto& errors = context.channel.receiver.errors;
    return std::any_of(errors.begin(), errors.end(),
                       [&](const auto& error) { return classOf(error) == kind; });
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
    if (saysClass(context, database::ErrorClass::name_unresolved)) {
        decide(verdict, Cause::network, confidence, "the replica cannot resolve the primary's name " + host,
               onHost(context.replica_name, "getent hosts " + host + "; then /etc/hosts and the resolver"));
        return;
    }
    decide(verdict, Cause::network, confidence,
           "the network between " + primaryName(context) + " and its replica carries nothing",
           onHost(context.replica_name,
                  "nc -vz -w 3 " + host + " " + std::to_string(port) + "; then the firewalls of both hosts"));
}

void decideByReceiverError(const ChannelContext& context, Verdict& verdict, Cause cause,
                           const evidence::ThreadError& error) {
    const auto confidence =
        error.text.empty() && error.number != kAccessDenied ? Confidence::suspected : Confidence::confirmed;
    auto advice = adviceFor(context, cause, error);
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
        if (const auto cause = statedCause(error)) {
            decideByReceiverError(context, verdict, *cause, error);
            return true;
        }
    }
    addPrimaryEvidence(context, verdict);
    if (primaryDown(context)) {
        decidePrimaryDown(context, verdict, Confidence::confirmed);
        return true;
    }
    if (saysClass(context, database::ErrorClass::offline_mode)) {
        decide(
            verdict, Cause::primary_down, Confidence::confirmed,
            "the primary lets no client in: MySQL on " + primaryName(context) + " shuts down or is offline",
            onHost(primaryName(context), context.dialect.command("SELECT @@global.offline_mode")));
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
    } else if (!primaryAnsweredSince(context)) {
        decide(verdict, Cause::unknown, Confidence::unknown,
               "the receiver has lost " + primaryName(context) + " a moment ago",
               onHost(context.replica_name, context.dialect.command(context.dialect.status())));
    } else {
        decideNetwork(context, verdict,
                      primarySilent(context) ? Confidence::suspected : Confidence::confirmed);
    }
    return true;
}

/// The receiver runs and says itself what it waits for.
bool receiverWaits(const ChannelContext& context, Verdict& verdict) {
    const auto& wait = context.channel.receiver.wait;
    if (!wait) {
        return false;
    }
    const auto list = context.dialect.command("SHOW FULL PROCESSLIST");
    if (wait->reason == database::WaitReason::relay_log_full) {
        decide(verdict, Cause::relay_log_full, Confidence::confirmed,
               "the relay logs have reached relay_log_space_limit: the receiver waits for the applier",
               onHost(context.replica_name,
                      list + " (what does the applier, \"system user\", work on?); if the limit "
                             "is too small, raise relay_log_space_limit in the "
                             "configuration file and restart the server"));
        return true;
    }
    if (wait->reason == database::WaitReason::disk_full) {
        decide(verdict, Cause::disk_full, Confidence::confirmed,
               "the replica's disk is full: the receiver waits for space",
               onHost(context.replica_name,
                      "df -h; free space where the relay logs are: the receiver then goes on "
                      "by itself"));
        verdict.broken_part = BrokenPart::receiver;
        return true;
    }
    return false;
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
