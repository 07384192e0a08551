#pragma once

#include <vector>

#include "collector/analysis/replication/inputs.h"
#include "collector/analysis/replication/verdict.h"

namespace lapwing::analysis::replication {

/// The server accepts writes; nothing if its read_only is unknown.
std::optional<bool> acceptsWrites(const evidence::Database& server);

/// The verdict on a channel whose replica reports nothing now: the state is unknown, and a known cause of
/// trouble stays named, because missing data are not recovery. `primary` and `observed` may be empty.
Verdict silentVerdict(const Inputs& inputs, const std::string& replica, const std::string& channel,
                      const std::string& primary, std::optional<TimestampMs> observed);

/// Adds verdicts on channels that had one before and whose replica reports nothing now.
void addSilentChannels(const Inputs& inputs, std::vector<Verdict>& out);

/// Adds verdicts on declared pairs without a channel.
void addMissingPairs(const Inputs& inputs, std::vector<Verdict>& out);

}  // namespace lapwing::analysis::replication
