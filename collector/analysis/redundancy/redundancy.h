#pragma once

#include <string>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// R1: the load balancer is a single point of failure.
void judgeLoadBalancers(const Context& context, Judgement& out);
/// R2: fewer servers than the load and one failure need. R3: servers of one pool share a machine. R4: one of
/// a pair is out of use. R5: the load balancer would not notice a failure.
void judgePools(const Context& context, Judgement& out);
/// R8: the entry's address is held by two hosts at once.
void judgeEntries(const Context& context, Judgement& out);
/// R11: the monitoring is itself a single point of failure.
void judgeMonitoring(const Context& context, Judgement& out);
/// R13: requests are not spread as the weights say.
void judgeBalance(const Context& context, Judgement& out);
/// R6: a replica could not take over. R7: a replica accepts writes.
void judgeReplicas(const Context& context, Judgement& out);

/// "reading: none; writing: mysql@web-01 and web-01": what would stop alone, in a model.
std::string singlePointsText(const topology::Model& model);

}  // namespace lapwing::analysis::redundancy
