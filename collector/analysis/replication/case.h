#pragma once

#include "collector/analysis/replication/roles.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/replication/words.h"

namespace lapwing::analysis::replication {

/// One channel with everything that bears on it.
struct Case {
    const Databases& facts;
    const std::string& replica_name;
    const DatabaseFacts& replica;
    const std::string& channel_name;
    const ChannelFacts& channel;
    const Roles& roles;
    const LagJudgement& lag;
    Dialect dialect;
};

/// Seconds from one time to another.
double seconds(TimestampMs from, TimestampMs to);

/// Sets what the verdict says.
void decide(Verdict& out, const char* state, const char* cause, Confidence confidence, std::string summary,
            std::string next_step);

/// "on web-02: " and what to type there.
std::string on(const std::string& host, const std::string& what);
std::string primaryName(const Case& c);
/// The replica's status as a source of evidence.
std::string statusOf(const Case& c);

/// Its own agent says that it does not answer.
bool primaryDown(const Case& c);
/// Nobody says that it answers.
bool primarySilent(const Case& c);
/// What attempts to connect from the replica's host to the primary's database showed last; null if nothing.
const ReachFact* reachOf(const Case& c);
/// Adds whether the primary answers its own agent, and whether it was reached from the replica's host.
void primaryEvidence(const Case& c, Verdict& out);

/// Seconds since the receiver last showed that it hears the primary: an event or a heartbeat came.
double receiverSilence(const ChannelFacts& channel);

}  // namespace lapwing::analysis::replication
