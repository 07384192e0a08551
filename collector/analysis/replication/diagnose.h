#pragma once

#include "collector/analysis/replication/roles.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/replication/words.h"

namespace lapwing::analysis::replication {

/// One channel with everything that bears on it.
struct Case {
    const Facts& facts;
    const std::string& replica_name;
    const DatabaseFacts& replica;
    const std::string& channel_name;
    const ChannelFacts& channel;
    const Roles& roles;
    const LagJudgement& lag;
    Dialect dialect;
};

/// Seconds since the receiver last showed that it hears the primary: an event or a heartbeat came.
double receiverSilence(const ChannelFacts& channel);

/// Sets state, cause, confidence, summary, next_step, broken_part and the evidence for them. Receiver before
/// applier: without a receiver, what the applier says is old. Pure.
void diagnose(const Case& the_case, Verdict& out);

}  // namespace lapwing::analysis::replication
