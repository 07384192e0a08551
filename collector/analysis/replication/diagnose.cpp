#include "collector/analysis/replication/diagnose.h"

#include "collector/analysis/replication/causes.h"

namespace lapwing::analysis::replication {

namespace {

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
