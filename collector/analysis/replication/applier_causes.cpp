#include <algorithm>
#include <optional>

#include "collector/analysis/duration.h"
#include "collector/analysis/replication/causes.h"
#include "collector/analysis/replication/receiver_advice.h"
#include "collector/analysis/replication/stated_causes.h"

namespace lapwing::analysis::replication {

namespace {

/// A replica with less lag is in step; the alerts' thresholds are higher. Seconds.
constexpr double kLagging = 5;
/// After waiting this long for a lock, the lock explains a lag that has only begun. Seconds.
constexpr double kBlocked = 2;
/// An applier that has finished no transaction for so long stands still. Seconds.
constexpr double kStandstill = 5;

/// When the receiver last had no more than what the applier has applied by now; nothing if that is unknown.
std::optional<TimestampMs> lastIdle(const evidence::ReplicaChannel& channel) {
    if (channel.read.empty() || channel.executed.empty()) {
        return std::nullopt;
    }
    const auto applied = channel.executed.last().value;
    std::optional<TimestampMs> idle;
    for (const auto& point : channel.read.points()) {
        if (point.value > applied) {
            break;
        }
        idle = point.at;
    }
    return idle;
}

/// Seconds for which the applier has had work and finished no transaction; 0 if that is unknown.
double applierStandstill(const ChannelContext& context) {
    TimestampMs moved = 0;
    for (const auto& [name, track] : context.replica.executed) {
        moved = std::max(moved, track.standingSince().value_or(0));
    }
    if (context.replica.executed.empty() || context.replica.channels.size() > 1) {
        moved = context.channel.executed.standingSince().value_or(0);
    }
    if (moved == 0) {
        return 0;
    }
    return std::max(
        0.0, secondsBetween(std::max(moved, lastIdle(context.channel).value_or(0)), context.channel.at));
}

/// The error that says most: a worker's rather than that of the coordinator, which only points to it (1756,
/// 3030).
const evidence::ThreadError* decisiveError(const evidence::ReplicationThread& applier) {
    const auto known = std::find_if(applier.errors.begin(), applier.errors.end(),
                                    [](const auto& error) { return classOf(error).has_value(); });
    return known != applier.errors.end() ? &*known
           : applier.errors.empty()      ? nullptr
                                         : &applier.errors.front();
}

void decideWaiting(const ChannelContext& context, Verdict& verdict, const evidence::Blocker& blocked,
                   const std::string& list_processes) {
    const bool known = !blocked.connection.empty();
    const bool by_its_own_transaction = blocked.kind == evidence::BlockerKind::transaction && !known;
    verdict.evidence.push_back({"mysql probe of " + context.replica_name,
                                "the applier has waited for " + durationText(blocked.seconds) + " (" +
                                    evidence::blockerKindName(blocked.kind) +
                                    (known ? ", held by connection " + blocked.connection : "") + ")" +
                                    (blocked.text.empty() ? "" : ": " + blocked.text)});
    const auto end_blocker = known ? "; if connection " + blocked.connection +
                                         " may go: " + context.dialect.command("KILL " + blocked.connection)
                                   : "";
    decide(verdict, Cause::blocked, Confidence::confirmed,
           by_its_own_transaction
               ? "the applier is busy with one long transaction"
               : "the applier waits for a lock" + (known ? " of connection " + blocked.connection : ""),
           onHost(context.replica_name, list_processes + end_blocker));
}

/// The applier's own state names a lock.
bool decideStatedLock(const ChannelContext& context, Verdict& verdict, const std::string& list_processes) {
    const auto& wait = context.channel.applier.wait;
    if (!wait || (wait->reason != database::WaitReason::table_lock &&
                  wait->reason != database::WaitReason::global_lock)) {
        return false;
    }
    decide(verdict, Cause::blocked, Confidence::confirmed, "the applier waits for a lock: " + wait->state,
           onHost(context.replica_name, list_processes + " (who holds the lock?)"));
    return true;
}

void decideStandstill(const ChannelContext& context, Verdict& verdict, double standstill,
                      const std::string& list_processes) {
    verdict.evidence.push_back(
        {"position of " + context.replica_name,
         "the applier runs, and has finished no transaction for " + durationText(standstill)});
    if (context.replica.longest_transaction) {
        verdict.evidence.push_back({"mysql probe of " + context.replica_name,
                                    "the oldest transaction there has been open for " +
                                        durationText(*context.replica.longest_transaction)});
    }
    decide(
        verdict, Cause::blocked, Confidence::suspected,
        "the applier finishes nothing: a lock, or one long transaction",
        onHost(context.replica_name, list_processes + " (a lock or a long statement of \"system user\"?)"));
}

void decideSlow(const ChannelContext& context, Verdict& verdict, const std::string& list_processes) {
    if (verdict.catching_up) {
        verdict.evidence.push_back(
            {"positions of both ends", *verdict.catching_up
                                           ? "it is catching up, and has not caught up yet"
                                           : "it falls further behind: it applies less than is written"});
    }
    decide(verdict, Cause::applier_slow,
           context.lag.both_ends ? Confidence::confirmed : Confidence::suspected,
           "the applier does not keep up with what is written",
           onHost(context.replica_name,
                  list_processes + "; iostat -x 2 5; " +
                      (context.dialect.mariadb ? "and consider slave_parallel_threads"
                                               : "and consider replica_parallel_workers")));
}

}  // namespace

bool applierWaits(const ChannelContext& context, Verdict& verdict) {
    const auto& wait = context.channel.applier.wait;
    if (!wait || wait->reason != database::WaitReason::disk_full) {
        return false;
    }
    decide(
        verdict, Cause::disk_full, Confidence::confirmed,
        "the replica's disk is full: the applier waits for space",
        onHost(context.replica_name,
               "df -h; free space where its data and binary logs are: the applier then goes on by itself"));
    return true;
}

bool applierStopped(const ChannelContext& context, Verdict& verdict) {
    const auto& applier = context.channel.applier;
    if (applier.state != evidence::ThreadState::stopped) {
        return false;
    }
    const auto* error = decisiveError(applier);
    if (error == nullptr) {
        verdict.evidence.push_back(
            {statusSource(context), "the server gives no error: it was probably stopped on purpose"});
    } else if (const auto cause = statedCause(*error)) {
        auto advice = adviceFor(context, *cause, *error);
        decide(verdict, *cause, Confidence::confirmed,
               advice.summary + " (error " + std::to_string(error->number) + ")",
               std::move(advice.next_step));
        verdict.state = State::broken;
        verdict.broken_part = BrokenPart::applier;
        return true;
    }
    const std::string number = error == nullptr ? "" : ", error " + std::to_string(error->number);
    const auto& dialect = context.dialect;
    const auto find_reason =
        number.empty() ? ""
                       : dialect.command(dialect.status()) + " (Last_SQL_Error says why); mend that, then ";
    decide(
        verdict, Cause::applier_stopped, Confidence::confirmed,
        "the applier (SQL thread) has stopped" + number,
        onHost(context.replica_name, find_reason + dialect.command(dialect.thread("START", "SQL_THREAD"))));
    return true;
}

bool applierBehind(const ChannelContext& context, Verdict& verdict) {
    const double lag = *context.lag.lag_seconds;
    const auto& blocked = context.channel.blocked;
    const auto longest = std::max_element(blocked.begin(), blocked.end(),
                                          [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    const bool waits = longest != blocked.end() && longest->seconds > kBlocked;
    if (lag <= (waits ? kBlocked : kLagging)) {
        return false;
    }
    const auto list_processes = context.dialect.command("SHOW FULL PROCESSLIST");
    const double standstill = applierStandstill(context);
    if (waits) {
        decideWaiting(context, verdict, *longest, list_processes);
    } else if (decideStatedLock(context, verdict, list_processes)) {
        return true;
    } else if (standstill >= kStandstill) {
        decideStandstill(context, verdict, standstill, list_processes);
    } else {
        decideSlow(context, verdict, list_processes);
    }
    return true;
}

}  // namespace lapwing::analysis::replication
