#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "common/model/labels.h"
#include "common/mutex.h"

namespace lapwing::ingest {

/// Decides which series an agent may send. An agent speaks for its own host: a series with another `instance`
/// must be one of those that an observer can know (common/metric_speakers.h). An agent may observe a limited
/// number of other instances, so that it cannot invent hosts; they count until the collector restarts.
/// Thread-safe.
class Claims {
  public:
    explicit Claims(std::size_t most_observed) : most_observed_(most_observed) {}

    /// Why the agent of `host` may not send a series with these labels; "" if it may.
    std::string problem(const std::string& host, const Labels& labels);

  private:
    bool mayObserve(const std::string& host, const std::string& instance);

    const std::size_t most_observed_;
    Mutex mutex_;
    std::map<std::string, std::set<std::string>> observed_ LAPWING_GUARDED_BY(mutex_);  ///< by agent
};

}  // namespace lapwing::ingest
