#pragma once

#include "collector/analysis/replication/case.h"

namespace lapwing::analysis::replication {

// Each looks for one cause. If it is there: says so in the verdict, with its evidence, and returns true.
// Pure.

// Nothing comes from the primary.
bool receiverFailed(const Case& c, Verdict& out);
/// The receiver claims to run, and the primary has had something for it for a while that it has not fetched.
bool receiverStalled(const Case& c, Verdict& out);

// What has come is not applied.
bool applierStopped(const Case& c, Verdict& out);
bool behind(const Case& c, Verdict& out);

// Data flow, and something else will bite later.
bool sameIdentity(const Case& c, Verdict& out);
bool bothWritable(const Case& c, Verdict& out);
/// `transactions`: those that only the replica has, in words.
bool errant(const Case& c, Verdict& out, const std::string& transactions);
bool clockSkew(const Case& c, Verdict& out);
bool heartbeatDead(const Case& c, Verdict& out);

}  // namespace lapwing::analysis::replication
