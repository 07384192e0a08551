#pragma once

#include <string>
#include <vector>

#include "collector/analysis/evidence/databases.h"
#include "collector/analysis/finding.h"

namespace lapwing::analysis::replication {

/// The wait that explains most, of those that last for `seconds` at least: one whose state is known, then one
/// that a statement waits for rather than the refusal of a statement, then the longest. Null if there is
/// none.
const evidence::CommitWait* worstWait(const std::vector<evidence::CommitWait>& waits, double seconds);

/// The step for the state of the waiting commits on `host`.
std::string commitWaitStep(const std::string& host, const evidence::CommitWait& wait);

/// `"Waiting for semi-sync ACK from slave"`, in quotes; "no state" if the server shows none.
std::string stateText(const evidence::CommitWait& wait);

/// `commits on db-01 wait ("...")`, or `a disk of the database on db-01 is full ("...")`.
std::string waitText(const std::string& host, const evidence::CommitWait& wait);

/// One line for each wait.
std::vector<Evidence> commitWaitEvidence(const std::string& host,
                                         const std::vector<evidence::CommitWait>& waits);

}  // namespace lapwing::analysis::replication
