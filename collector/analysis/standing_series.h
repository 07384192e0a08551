#pragma once

#include <set>
#include <vector>

#include "collector/storage/store.h"
#include "common/error.h"

namespace lapwing::analysis {

/// Series that are written anew in every round as long as they are true: a series that a round leaves out
/// ends with a staleness marker. Not synchronised.
class StandingSeries {
  public:
    /// A series that an earlier process wrote and did not end.
    void restore(Labels labels) { standing_.insert(std::move(labels)); }

    /// Stores the round's samples, and a staleness marker at `now` for each series that stood and is not
    /// among them. Error: the store's; the next round tries the same markers again.
    Expected<void> write(storage::Store& store, std::vector<TimeSeries> samples, TimestampMs now);

  private:
    std::set<Labels> standing_;
};

}  // namespace lapwing::analysis
