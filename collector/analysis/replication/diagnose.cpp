#include "collector/analysis/replication/diagnose.h"

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

std::string errorText(const evidence::ThreadError& error) {
    return "error " + std::to_string(error.number) + (error.text.empty() ? "" : ": " + error.text);
}

void addThreadEvidence(const ChannelContext& context, Verdict& verdict) {
    for (const auto& [name, thread] : {std::pair("receiver (I/O thread)", &context.channel.receiver),
                                       std::pair("applier (SQL thread)", &context.channel.applier)}) {
        verdict.evidence.push_back({statusSource(context), std::string("the ") + name + " is " +
                                                               evidence::threadStateName(thread->state)});
        for (const auto& error : thread->errors) {
            verdict.evidence.push_back(
                {statusSource(context), std::string("the ") + name + " gives " + errorText(error)});
        }
        if (thread->wait) {
            verdict.evidence.push_back(
                {statusSource(context), std::string("the ") + name + " says: " + thread->wait->state});
        }
    }
}

void decideUnknownLag(const ChannelContext& context, Verdict& verdict) {
    const double silence = receiverSilence(context.channel);
    if (primarySilent(context)) {
        addPrimaryEvidence(context, verdict);
        verdict.evidence.push_back(
            {statusSource(context), "nothing has arrived from the primary for " + durationText(silence)});
    }
    if (!context.channel.seconds_behind) {
        verdict.evidence.push_back(
            {statusSource(context), "the server tells no lag (NULL): it is unknown, not zero"});
    }
    decide(verdict, Cause::unknown, Confidence::unknown, "the lag cannot be told",
           onHost(primaryName(context), "lapwing-agent status; and on " + context.replica_name + ": " +
                                            context.dialect.command(context.dialect.status())));
}

/// Decides by what both threads do.
void decideByThreads(const ChannelContext& context, Verdict& verdict, const std::string& errant) {
    if (receiverFailed(context, verdict) || applierStopped(context, verdict)) {
        return;
    }
    if (context.channel.receiver.state == evidence::ThreadState::unknown ||
        context.channel.applier.state == evidence::ThreadState::unknown) {
        decide(verdict, Cause::unknown, Confidence::unknown, "the state of its threads cannot be told",
               onHost(context.replica_name, context.dialect.command(context.dialect.status())));
        return;
    }
    if (receiverWaits(context, verdict) || applierWaits(context, verdict) ||
        receiverStalled(context, verdict)) {
        return;
    }
    if (!context.lag.lag_seconds) {
        decideUnknownLag(context, verdict);
        return;
    }
    if (applierBehind(context, verdict) || sameIdentity(context, verdict) || bothWritable(context, verdict) ||
        hasErrantTransactions(context, verdict, errant) || clockSkew(context, verdict) ||
        heartbeatDead(context, verdict)) {
        return;
    }
    const auto confidence = context.lag.both_ends ? Confidence::confirmed : Confidence::suspected;
    if (!context.lag.both_ends) {
        verdict.evidence.push_back({"collector", "only the replica's own word is known of its lag"});
    }
    if (context.channel.delay_seconds > 0) {
        decide(verdict, Cause::delayed_deliberately, confidence,
               "the replica is held back by " + durationText(context.channel.delay_seconds) + " on purpose",
               "");
        return;
    }
    decide(verdict, Cause::healthy, confidence,
           "receiver and applier are running, and the replica is in step", "");
}

/// A command for a replica, at a server that may be a primary, says first which input is missing.
void checkNextStep(const ChannelContext& context, Verdict& verdict) {
    if (context.standing.standing == Standing::unclear && !verdict.next_step.empty()) {
        verdict.next_step = "Incomplete: it is not known " + context.standing.reason +
                            ". If it is a replica: " + verdict.next_step;
    }
}

}  // namespace

void diagnose(const ChannelContext& context, Verdict& verdict) {
    addThreadEvidence(context, verdict);
    if (isLeftover(context, verdict)) {
        return;
    }
    verdict.evidence.insert(verdict.evidence.end(), context.roles.evidence.begin(),
                            context.roles.evidence.end());
    // Of two servers that follow each other, each has transactions that the other gets a moment later.
    const bool mutual =
        context.roles.multi_primary || follows(context.inputs, context.roles.primary, context.replica_name);
    const auto errant = context.roles.primary_server == nullptr || mutual
                            ? ""
                            : errantTransactions(context.replica, *context.roles.primary_server);
    if (!errant.empty()) {
        const Evidence line{"GTIDs of both servers", "only the replica has " + errant};
        verdict.evidence.push_back(line);
        verdict.obstacles.push_back(line);
    }
    for (const auto& remark : context.lag.remarks) {
        verdict.evidence.push_back({"estimators", remark});
    }
    decideByThreads(context, verdict, errant);
    addPrimaryWaits(context, verdict);
    checkNextStep(context, verdict);
}

}  // namespace lapwing::analysis::replication
