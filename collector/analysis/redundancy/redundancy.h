#pragma once

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// R1: the load balancer is a single point of failure.
void judgeLoadBalancers(const Context& context, Judgement& out);
/// R6: a replica could not take over. R7: a replica accepts writes.
void judgeReplicas(const Context& context, Judgement& out);

}  // namespace lapwing::analysis::redundancy
