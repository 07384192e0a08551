#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "collector/analysis/replication/gather.h"
#include "collector/analysis/replication/verdict.h"

namespace lapwing::analysis::replication {

/// Judges every replica again and again, and stores what it finds as lapwing_replication_*. verdicts() is
/// safe from any thread; round() is for one.
class Watch {
  public:
    /// `sample_labels` are of every sample that is stored: job, instance. `store` must outlive it.
    Watch(storage::Store& store, Site site, Labels sample_labels);

    /// Gathers, judges, stores (with a staleness marker for each series that has gone). Call it every two
    /// seconds; it takes milliseconds. Error: the store's; the verdicts stay as they were.
    Expected<void> round(TimestampMs now);

    /// Of the last round; empty before the first. Never null.
    std::shared_ptr<const std::vector<Verdict>> verdicts() const;

  private:
    void restore(TimestampMs now);
    void remember(const std::vector<Verdict>& verdicts, TimestampMs now);
    Expected<void> writeSamples(const std::vector<Verdict>& verdicts, TimestampMs now);

    storage::Store& store_;
    const Site site_;
    const Labels sample_labels_;
    Gatherer gatherer_;
    struct Remembered {
        PreviousFact fact;
        TimestampMs at = 0;  ///< when it was last judged
    };
    std::map<std::pair<std::string, std::string>, Remembered> previous_;
    std::set<Labels> standing_;
    bool restored_ = false;

    mutable std::mutex mutex_;
    std::shared_ptr<const std::vector<Verdict>> current_;
};

}  // namespace lapwing::analysis::replication
