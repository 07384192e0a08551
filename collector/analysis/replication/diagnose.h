#pragma once

#include "collector/analysis/replication/channel_context.h"

namespace lapwing::analysis::replication {

/// Sets state, cause, confidence, summary, next step, broken part and their evidence. Looks at the receiver
/// before the applier: without a receiver, the applier's report is out of date. Pure.
void diagnose(const ChannelContext& context, Verdict& verdict);

}  // namespace lapwing::analysis::replication
