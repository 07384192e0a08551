#pragma once

#include <string>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// R1: the load balancer is a single point of failure.
void judgeLoadBalancers(const Context& context, Judgement& out);
/// R2: fewer servers than the load and one failure need. R3: servers of one pool share a machine. R4: one of
/// a pair is out of use. R5: the load balancer would not notice a failure.
void judgePools(const Context& context, Judgement& out);
/// R8: two hosts, or no host, hold an address of an entry or of VRRP.
void judgeEntries(const Context& context, Judgement& out);
/// R9: a standby load balancer would not take over.
void judgeStandbys(const Context& context, Judgement& out);
/// R10: an entry's name resolves to one address, which does not move.
void judgeRecords(const Context& context, Judgement& out);
/// R11: the monitoring is itself a single point of failure.
void judgeMonitoring(const Context& context, Judgement& out);
/// R13: requests are not spread as the weights say.
void judgeBalance(const Context& context, Judgement& out);
/// R6: a replica could not take over. R7: a replica accepts writes.
void judgeReplicas(const Context& context, Judgement& out);
/// R15: a database server takes no further connection. R16: commits on it wait.
void judgeDatabaseServers(const Context& context, Judgement& out);
/// R17: a primary has a leftover replica channel.
void judgeLeftoverChannels(const Context& context, Judgement& out);

/// R12: two databases fail over automatically, without a witness.
void judgeFailover(const Context& context, Judgement& out);
/// R18: agents contradict each other about a server.
void judgeContradictions(const Context& context, Judgement& out);
/// R19: no receiver of notifications is configured.
void judgeReceivers(const Context& context, Judgement& out);
/// R14: the servers of a pool have different files or packages.
void judgeDifferences(const Context& context, Judgement& out);

/// The differences of one set of files between two hosts, in a sentence with at most `most` entries; nothing
/// if the hosts agree or a document is missing.
std::optional<std::string> differencesOf(const Context& context, const std::string& set,
                                         const std::string& left, const std::string& right, std::size_t most);

/// The steps after which a standby takes over.
std::string takeoverSteps(const Context& context, const topology::Entry& entry,
                          const topology::Standby& standby);

/// R5 for one backend.
void judgeHealthChecks(const Context& context, const topology::Pool& pool, Judgement& out);

/// What one failure could still stop beside a second load balancer.
std::string simulatedBalancer(const Context& context);

/// "web-01, web-02 or web-03"
std::string eitherOf(const std::set<std::string>& names);

/// The failures of one part that stop the site: "no failure of one part stops reading; writing stops, or may
/// stop, if mysql@web-01 or web-01 fails".
std::string singlePointsText(const topology::Model& model);

}  // namespace lapwing::analysis::redundancy
