#pragma once

#include "agent/snapshot/helper/options.h"
#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

/// Reads the packet filter's rules of this network namespace into `ruleset`, `listing`, `iptables`,
/// `legacy_tables` and `legacy_status`.
void readRules(const CollectOptions& options, Snapshot& snapshot);

}  // namespace lapwing::agent
