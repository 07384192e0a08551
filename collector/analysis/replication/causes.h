#pragma once

#include <string>

#include "collector/analysis/replication/channel_context.h"

namespace lapwing::analysis::replication {

// Each function looks for one group of causes. If it finds one, it decides the verdict, adds the evidence and
// returns true. Pure.

/// The channel is left over from an earlier role of its server: nothing is broken.
bool isLeftover(const ChannelContext& context, Verdict& verdict);
/// Commits on the primary wait: nothing is written, and nothing can be replicated. Adds to a verdict that is
/// decided already.
void addPrimaryWaits(const ChannelContext& context, Verdict& verdict);

/// The receiver does not run: an error of its own, a stop, or the primary cannot be reached.
bool receiverFailed(const ChannelContext& context, Verdict& verdict);
/// The receiver waits for space: of the relay logs or of the disk.
bool receiverWaits(const ChannelContext& context, Verdict& verdict);
/// The receiver claims to run, but has not fetched events that the primary wrote a while ago.
bool receiverStalled(const ChannelContext& context, Verdict& verdict);

/// The applier waits for disk space.
bool applierWaits(const ChannelContext& context, Verdict& verdict);
/// The applier has stopped.
bool applierStopped(const ChannelContext& context, Verdict& verdict);
/// The applier runs and is behind: blocked or slow. Needs a known lag.
bool applierBehind(const ChannelContext& context, Verdict& verdict);

// Risks: data flow now.

/// Primary and replica have the same server id or UUID.
bool sameIdentity(const ChannelContext& context, Verdict& verdict);
/// The command that makes the replica refuse writes; it says first if writes arrive there now.
std::string forbidWritesStep(const ChannelContext& context);
/// Primary and replica accept writes, and no multi-primary is declared.
bool bothWritable(const ChannelContext& context, Verdict& verdict);
/// `transactions`: the replica's own, as text.
bool hasErrantTransactions(const ChannelContext& context, Verdict& verdict, const std::string& transactions);
/// The clocks of primary and replica differ.
bool clockSkew(const ChannelContext& context, Verdict& verdict);
/// The primary's heartbeat row is no longer written.
bool heartbeatDead(const ChannelContext& context, Verdict& verdict);

}  // namespace lapwing::analysis::replication
