#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/labels.h"
#include "common/model/sample.h"
#include "common/mutex.h"

namespace lapwing::notify {

/// Firing alerts that a receiver has not taken, and since when its attempts have failed; 0: it refused the
/// alert for good.
using Failures = std::map<Labels, TimestampMs>;

/// The failures of all receivers, for those that stand in for them. Safe from any thread.
class FailureBoard {
  public:
    /// Replaces the failures of one lane of a receiver. True if they have changed.
    bool put(const std::string& receiver, const std::string& lane, Failures failures);
    /// Since when the first of these receivers fails to take an alert; none: no one fails.
    std::optional<TimestampMs> since(const std::vector<std::string>& receivers, const Labels& alert) const;

  private:
    mutable Mutex mutex_;
    std::map<std::string, std::map<std::string, Failures>> failures_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::notify
