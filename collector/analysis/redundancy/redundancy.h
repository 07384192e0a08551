#pragma once

#include <string>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// R1: the load balancer is a single point of failure.
void judgeLoadBalancers(const Context& context, Judgement& out);
/// R2: fewer servers than the load and one failure need. R3: servers of one pool share a machine. R4: one of
/// a pair is out of use. R5: the load balancer would not notice a failure.
void judgePools(const Context& context, Judgement& out);
/// R8: an address by which the site is entered, or that VRRP moves, is held by two hosts at once, or by none.
void judgeEntries(const Context& context, Judgement& out);
/// R9: what stands by would not take over.
void judgeStandbys(const Context& context, Judgement& out);
/// R10: an entry's name leads to one address, which does not move.
void judgeRecords(const Context& context, Judgement& out);
/// R11: the monitoring is itself a single point of failure.
void judgeMonitoring(const Context& context, Judgement& out);
/// R13: requests are not spread as the weights say.
void judgeBalance(const Context& context, Judgement& out);
/// R6: a replica could not take over. R7: a replica accepts writes.
void judgeReplicas(const Context& context, Judgement& out);

/// R12: two databases fail over by themselves, and nobody else has a say.
void judgeFailover(const Context& context, Judgement& out);
/// R14: the servers of a pool have different files or packages.
void judgeDifferences(const Context& context, Judgement& out);

/// How the documents that list a set of files differ between two hosts, at most `most` entries of them in
/// words; nothing where a document is not at hand.
std::optional<std::string> differencesOf(const Context& context, const std::string& set,
                                         const std::string& one, const std::string& other, std::size_t most);

/// "Simulated with ...": what would still stop alone beside a second load balancer that takes over.
std::string simulatedBalancer(const Context& context);

/// "reading: none; writing: mysql@web-01 and web-01": what would stop alone, in a model.
std::string singlePointsText(const topology::Model& model);

}  // namespace lapwing::analysis::redundancy
