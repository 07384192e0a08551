#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/replication/commit_wait.h"

namespace lapwing::analysis::redundancy {

namespace {

using database::WaitReason;
using evidence::DatabaseLoad;

/// A commit that waits for longer is not merely slow. Seconds.
constexpr double kCommitWaits = 10;

std::string probeOf(const std::string& host) {
    return "mysql probe of " + host;
}

std::optional<Finding> fullServer(const std::string& host, const DatabaseLoad& load) {
    const bool refused = load.refusal_reason == "too_many_connections";
    const bool limited = load.refusal_reason == "user_limit";
    const bool counted_full =
        load.connections && load.max_connections && *load.connections >= *load.max_connections;
    if (!refused && !limited && !counted_full) {
        return std::nullopt;
    }
    Finding finding;
    finding.severity = limited ? Severity::high : Severity::critical;
    finding.confidence = Confidence::confirmed;
    finding.title = limited ? "The database on " + host + " has reached a limit of the agent's account"
                            : "The database on " + host + " is full: it takes no further connection";
    if (!load.refusal.empty()) {
        finding.evidence.push_back(
            {probeOf(host), "the server is up, and refuses the agent: " + load.refusal});
    }
    if (load.connections && load.max_connections) {
        finding.evidence.push_back({probeOf(host), std::to_string(std::llround(*load.connections)) +
                                                       " connections are open; max_connections is " +
                                                       std::to_string(std::llround(*load.max_connections))});
    }
    finding.remedy =
        limited ? "on " + host +
                      ": SELECT user, host, max_user_connections FROM mysql.user; SHOW VARIABLES LIKE "
                      "'max_user_connections'; raise the limit of the account"
                : "on " + host +
                      ": SHOW PROCESSLIST (who holds the connections, and are they idle?); let the "
                      "application's pool hold fewer, or raise max_connections: SET GLOBAL "
                      "max_connections = ... and the same in the configuration file";
    finding.not_assessed = {"which client opens more connections than it needs"};
    return finding;
}

std::optional<Finding> waitingCommits(const std::string& host, const DatabaseLoad& load) {
    const auto* worst = replication::worstWait(load.waits, kCommitWaits);
    if (worst == nullptr) {
        return std::nullopt;
    }
    Finding finding;
    finding.severity = Severity::critical;
    finding.confidence = worst->reason == WaitReason::other ? Confidence::suspected : Confidence::confirmed;
    finding.title = (worst->refused ? "A disk of the database on " + host + " is full ("
                     : worst->reason == WaitReason::disk_full
                         ? "The disk of the database on " + host + " is full: commits wait ("
                         : "Commits on the database on " + host + " wait (") +
                    replication::stateText(*worst) + ")";
    finding.evidence = replication::commitWaitEvidence(host, load.waits);
    finding.remedy = replication::commitWaitStep(host, *worst);
    finding.not_assessed = {"which of the application's requests wait"};
    return finding;
}

}  // namespace

void judgeDatabaseServers(const Context& context, Judgement& out) {
    if (context.moment == nullptr) {
        return;
    }
    const auto& services = context.moment->services;
    for (const auto& [host, load] : services.database_loads) {
        const auto subject = topology::idOf(topology::ComponentKind::mysql, host);
        const auto works = services.databases.find(host);
        const bool read = works != services.databases.end() && works->second == Truth::yes;
        auto full = fullServer(host, load);
        // A server whose status cannot be read clears nothing.
        if (full || read) {
            conclude(out, {"R15", subject}, std::move(full));
        }
        auto waiting = waitingCommits(host, load);
        if (waiting || read) {
            conclude(out, {"R16", subject}, std::move(waiting));
        }
    }
}

}  // namespace lapwing::analysis::redundancy
