#include "collector/analysis/replication/commit_wait.h"

#include <tuple>

#include "collector/analysis/duration.h"

namespace lapwing::analysis::replication {

using database::WaitReason;
using evidence::CommitWait;

const CommitWait* worstWait(const std::vector<CommitWait>& waits, double seconds) {
    const auto rank = [](const CommitWait& wait) {
        return std::tuple(wait.reason != WaitReason::other, !wait.refused, wait.seconds);
    };
    const CommitWait* worst = nullptr;
    for (const auto& wait : waits) {
        if (wait.seconds >= seconds && (worst == nullptr || rank(*worst) < rank(wait))) {
            worst = &wait;
        }
    }
    return worst;
}

std::string commitWaitStep(const std::string& host, const CommitWait& wait) {
    const auto on = "on " + host + ": ";
    switch (wait.reason) {
        case WaitReason::semi_sync_ack: {
            const bool source = wait.state.find("replica") != std::string::npos;
            return "let a semi-synchronous replica connect and acknowledge; or " + on + "SET GLOBAL " +
                   (source ? "rpl_semi_sync_source_enabled" : "rpl_semi_sync_master_enabled") +
                   " = 0 lets commits go on without one";
        }
        case WaitReason::disk_full:
            return on +
                   "df -h; free space where its data and binary logs are: the server then goes on by itself, "
                   "within a minute";
        case WaitReason::global_lock:
            return on +
                   "SHOW FULL PROCESSLIST names the connection with FLUSH TABLES WITH READ LOCK or a backup; "
                   "if it may go: KILL ...";
        default:
            return on +
                   "df -h (is the disk of its data and binary logs full?); iostat -x 2 5 (does it answer?); "
                   "SHOW FULL PROCESSLIST";
    }
}

std::string waitText(const std::string& host, const CommitWait& wait) {
    return (wait.refused ? "a disk of the database on " + host + " is full ("
                         : "commits on " + host + " wait (") +
           stateText(wait) + ")";
}

std::string stateText(const CommitWait& wait) {
    return wait.state.empty() ? "no state" : "\"" + wait.state + "\"";
}

std::vector<Evidence> commitWaitEvidence(const std::string& host, const std::vector<CommitWait>& waits) {
    std::vector<Evidence> out;
    for (const auto& wait : waits) {
        if (wait.refused) {
            out.push_back({"mysql probe of " + host,
                           "for " + durationText(wait.seconds) +
                               " the server has refused statements of the agent: " + stateText(wait)});
            continue;
        }
        const std::string who =
            wait.heartbeat ? "the agent's write of the heartbeat has" : "clients' statements have";
        out.push_back({"list of processes of " + host,
                       who + " waited for up to " + durationText(wait.seconds) + ": " + stateText(wait)});
    }
    return out;
}

}  // namespace lapwing::analysis::replication
