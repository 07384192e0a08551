#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/databases.h"
#include "collector/analysis/replication/cause.h"
#include "collector/analysis/site.h"

namespace lapwing::analysis::replication {

/// The last verdict on a channel.
struct PreviousVerdict {
    std::string primary;
    State state = State::unknown;  ///< the last state that was known
    Cause cause = Cause::unknown;
};

/// Everything that a verdict depends on.
struct Inputs {
    evidence::Databases databases;
    std::vector<Site::Pair> declared;                                         ///< site.replication
    std::map<std::pair<std::string, std::string>, PreviousVerdict> previous;  ///< by replica and channel
};

}  // namespace lapwing::analysis::replication
