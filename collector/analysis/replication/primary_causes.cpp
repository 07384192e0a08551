#include "collector/analysis/replication/causes.h"
#include "collector/analysis/replication/commit_wait.h"
#include "collector/analysis/replication/stated_causes.h"

namespace lapwing::analysis::replication {

namespace {

/// A commit that waits for longer is not merely slow. Seconds.
constexpr double kCommitWaits = 5;

}  // namespace

void addPrimaryWaits(const ChannelContext& context, Verdict& verdict) {
    const auto* primary = context.roles.primary_server;
    if (primary == nullptr || primary->isDown() ||
        context.inputs.databases.now - primary->heard >= kStatusFreshMs) {
        return;
    }
    const auto* wait = worstWait(primary->waits, kCommitWaits);
    // A full disk for temporary tables need not concern a replica that keeps up.
    if (wait == nullptr || (wait->refused && verdict.state == State::ok)) {
        return;
    }
    const auto lines = commitWaitEvidence(context.roles.primary, primary->waits);
    verdict.evidence.insert(verdict.evidence.end(), lines.begin(), lines.end());
    // A replica that does not acknowledge is why a semi-synchronous commit waits.
    const bool broken = verdict.state == State::broken;
    const auto own_step = commitWaitStep(context.roles.primary, *wait);
    const auto step = broken ? verdict.next_step + "; and " + own_step : own_step;
    decide(verdict, causeOfWait(wait->reason).value_or(Cause::commit_waits),
           wait->reason == database::WaitReason::other ? Confidence::suspected : Confidence::confirmed,
           waitText(context.roles.primary, *wait) + (broken ? "; and " + verdict.summary : ""), step);
    verdict.broken_part = BrokenPart::primary;
}

bool isLeftover(const ChannelContext& context, Verdict& verdict) {
    if (context.standing.standing != Standing::primary) {
        return false;
    }
    using evidence::ThreadState;
    const auto& channel = context.channel;
    const auto& server = context.replica_name;
    const auto source = channel.source.host.empty() ? primaryName(context) : channel.source.host;
    const bool stopped =
        channel.receiver.state == ThreadState::stopped && channel.applier.state == ThreadState::stopped;
    verdict.evidence.push_back({"collector", server + " is a primary: " + context.standing.reason});
    verdict.evidence.push_back(
        {statusSource(context),
         stopped
             ? "both threads are stopped: the channel does no harm until somebody starts it, or the server "
               "starts again without skip_slave_start (skip_replica_start)"
             : "a thread of it runs: as soon as " + source + " answers, its changes are written here"});
    decide(
        verdict, Cause::leftover_channel, Confidence::confirmed,
        server + " is a primary and has a leftover replica channel to " + source,
        onHost(server, stopped ? "nothing has to be done. If you are sure that nobody needs the channel: " +
                                     context.dialect.command(context.dialect.forget())
                               : context.dialect.command(context.dialect.thread("STOP", "")) +
                                     " unless somebody set it up on purpose"));
    return true;
}

}  // namespace lapwing::analysis::replication
