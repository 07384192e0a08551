#pragma once

#include <map>
#include <string>
#include <tuple>

#include "collector/analysis/evidence/databases.h"
#include "collector/storage/store.h"
#include "common/error.h"

namespace lapwing::analysis::evidence {

/// Gathers the facts from the store, and keeps the tracks between rounds, so that a round reads two minutes
/// only. Times become the collector's by the clock offset that each agent measured. Not synchronised.
class ReplicationReader {
  public:
    /// `store` must outlive it.
    explicit ReplicationReader(const storage::Store& store) : store_(store) {}

    /// Errors: the store's.
    Expected<Databases> read(TimestampMs now);

  private:
    /// Instance, metric (or a set of GTIDs), channel or GTID's name.
    using TrackKey = std::tuple<std::string, std::string, std::string, std::string>;
    struct Kept {
        Track track;
        TimestampMs newest = 0;  ///< by the agent's clock: what was read already
    };
    class Round;

    const storage::Store& store_;
    std::map<TrackKey, Kept> tracks_;
    TimestampMs last_round_ = 0;
};

}  // namespace lapwing::analysis::evidence
