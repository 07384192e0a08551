#pragma once

#include <optional>
#include <string_view>

#include "agent/snapshot/helper/options.h"
#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

/// Reads the parts of the host that need privileges. Never fails as a whole: each unreadable part is recorded
/// with its reason.
Snapshot collectSnapshot(const CollectOptions& options);

/// Whether ssh accepts a password, from the output of `sshd -T`: by password authentication or by
/// keyboard-interactive authentication. Nothing for another text.
std::optional<bool> takesPasswords(std::string_view effective_sshd_config);

}  // namespace lapwing::agent
