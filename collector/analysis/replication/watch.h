#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/replication.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/standing_series.h"
#include "common/mutex.h"

namespace lapwing::analysis::replication {

/// Judges every replica repeatedly and stores the verdicts as lapwing_replication_*. verdicts() is safe from
/// any thread; update() is for one thread.
class Watch {
  public:
    /// Adds `sample_labels` (job, instance) to every stored sample. `store` must outlive it.
    Watch(storage::Store& store, Site site, Labels sample_labels);

    /// Reads the evidence, judges and stores, with a staleness marker for each series that has ended. Call it
    /// every two seconds; it takes milliseconds. Errors: the store's; after a failed read the verdicts stay
    /// as they were.
    Expected<void> update(TimestampMs now);

    /// The verdicts of the last update; empty before the first. Never null.
    std::shared_ptr<const std::vector<Verdict>> verdicts() const;

  private:
    using ChannelKey = std::pair<std::string, std::string>;  ///< replica, channel
    struct Remembered {
        PreviousVerdict verdict;
        TimestampMs at = 0;  ///< when its state was last known
    };

    void restore(TimestampMs now);
    void remember(const std::vector<Verdict>& verdicts, TimestampMs now);
    Expected<void> writeSamples(const std::vector<Verdict>& verdicts, TimestampMs now);

    storage::Store& store_;
    const Site site_;
    const Labels sample_labels_;
    evidence::ReplicationReader reader_;
    std::map<ChannelKey, Remembered> previous_;
    StandingSeries standing_;
    bool restored_ = false;

    mutable Mutex mutex_;
    std::shared_ptr<const std::vector<Verdict>> current_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::analysis::replication
