#pragma once

#include <string>

#include "collector/analysis/replication/dialect.h"
#include "collector/analysis/replication/roles.h"
#include "collector/analysis/replication/standing.h"
#include "collector/analysis/replication/verdict.h"

namespace lapwing::analysis::replication {

/// A status that is as old as this no longer describes the present.
inline constexpr std::int64_t kStatusFreshMs = 15'000;

/// One channel of a replica, with everything that bears on its verdict. The referenced objects must outlive
/// it.
struct ChannelContext {
    const Inputs& inputs;
    const std::string& replica_name;
    const evidence::Database& replica;
    const std::string& channel_name;
    const evidence::ReplicaChannel& channel;
    const Roles& roles;
    const LagJudgement& lag;
    Dialect dialect;
    StandingJudgement standing;
};

/// Sets cause, confidence, summary and next step; state and broken part as the table of causes says.
void decide(Verdict& verdict, Cause cause, Confidence confidence, std::string summary, std::string next_step);

/// "on web-02: " and the commands to type there.
std::string onHost(const std::string& host, const std::string& commands);

/// The primary's instance or address; "the primary" if neither is known.
std::string primaryName(const ChannelContext& context);

/// The name of the replica's status as a source of evidence.
std::string statusSource(const ChannelContext& context);

/// The primary's own agent reports that the server does not answer.
bool primaryDown(const ChannelContext& context);

/// No fresh report says that the primary answers.
bool primarySilent(const ChannelContext& context);

/// The last attempt to connect from the replica's host to the primary's database; null if none is known.
const evidence::ReachAttempt* reachOf(const ChannelContext& context);

/// Adds two lines of evidence: whether the primary answers its own agent, and whether the replica's host
/// could connect to it.
void addPrimaryEvidence(const ChannelContext& context, Verdict& verdict);

/// Seconds since the receiver last got an event or a heartbeat from the primary.
double receiverSilence(const evidence::ReplicaChannel& channel);

}  // namespace lapwing::analysis::replication
