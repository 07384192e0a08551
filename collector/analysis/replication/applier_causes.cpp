#include <algorithm>

#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

/// Below that a replica is in step; the alerts' thresholds are higher.
constexpr double kLagging = 5;
/// A lock that has been waited for so long explains a lag that has only begun.
constexpr double kBlocked = 2;
/// Without anything received, or finished, for so long it is standing still.
constexpr double kStandstill = 5;

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

}  // namespace

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

}  // namespace lapwing::analysis::replication
