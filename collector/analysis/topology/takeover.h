#pragma once

#include <map>
#include <string>

#include "collector/analysis/topology/model.h"

namespace lapwing::analysis::topology {

/// Whether the load balancer on `host` takes the entry's address over when the active one stops, and when its
/// host stops. It does if both have keepalived, which runs, with that address in one virtual router; if one
/// of the two alone holds it, by the advertisements that each accepts from the other, and the priorities and
/// checks move it (contest.h); and if visitors reach the port, and the load balancer its servers, on the
/// other host. A setting or rule that is not understood leaves the answer unknown. `balancers`: by host.
Standby standbyFor(const Inputs& inputs, const Entry& entry, const std::string& host,
                   const std::map<std::string, Balancer>& balancers);

}  // namespace lapwing::analysis::topology
