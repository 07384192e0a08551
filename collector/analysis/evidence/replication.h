#pragma once

#include <map>
#include <string>

#include "collector/analysis/evidence/position_tracks.h"
#include "collector/storage/store.h"
#include "common/error.h"

namespace lapwing::analysis::evidence {

/// Reads what agents report about databases and replication. Keeps the tracks between reads, so that a read
/// needs the last two minutes of samples only. Not synchronised.
class ReplicationReader {
  public:
    /// `store` must outlive it.
    explicit ReplicationReader(const storage::Store& store) : store_(store) {}

    /// Errors: the store's.
    Expected<Databases> read(TimestampMs now);

  private:
    const storage::Store& store_;
    PositionTracks tracks_;
    /// The agent that counts for each server, also while it is silent. Only one does, so that no two clocks
    /// mix.
    std::map<std::string, std::string> observers_;
    TimestampMs last_read_ = 0;
};

}  // namespace lapwing::analysis::evidence
