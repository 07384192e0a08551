#pragma once

#include <string>

#include "agent/snapshot/snapshot.h"
#include "common/error.h"

namespace lapwing::agent {

/// Replaces `file` in one step, with mode 0640 and the group `group` where that group exists. Errors:
/// `denied`, `unavailable`.
Expected<void> writeSnapshot(const std::string& file, const std::string& json, const std::string& group);

/// Writes a snapshot; large rules go into a file beside it, which readers find by `rules.file`.
Expected<void> writeSnapshot(const std::string& file, Snapshot snapshot, const std::string& group);

}  // namespace lapwing::agent
