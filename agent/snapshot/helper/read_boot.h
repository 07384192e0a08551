#pragma once

#include "agent/snapshot/boot.h"
#include "agent/snapshot/helper/options.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent {

/// Finds the units that load rules at boot and rehearses them: loads their files in a network namespace of
/// its own and lists the rules there. Reuses the rehearsal of the last snapshot while its inputs are
/// unchanged. Where units make rules by themselves (ufw, firewalld) there is no rehearsal, and `listing` and
/// `unknown` are both empty. `host`: the files may name its interfaces.
Boot readBoot(const CollectOptions& options, const reach::Host& host);

}  // namespace lapwing::agent
