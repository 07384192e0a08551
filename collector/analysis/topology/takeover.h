#pragma once

#include "collector/analysis/topology/model.h"

namespace lapwing::analysis::topology {

/// Whether the load balancer on `host` takes the entry's address over when the active one, or its host,
/// stops. It does if both have keepalived, which runs, with that address in one virtual router; if
/// advertisements of each reach the other; if the active one tracks HAProxy; and if visitors reach the port
/// on the other.
Standby standbyFor(const Inputs& inputs, const Entry& entry, const std::string& host);

}  // namespace lapwing::analysis::topology
