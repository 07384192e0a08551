#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/snapshot/snapshot.h"
#include "common/mutex.h"

namespace lapwing::agent {

/// Reads the outputs of tools that are in a file beside the snapshot, if there is one. Errors: `not_found`,
/// `denied`, `protocol`.
Expected<void> readRulesBeside(const std::string& snapshot_file, Snapshot& snapshot);
/// The same for the rules of the next boot.
Expected<void> readBootBeside(const std::string& snapshot_file, Snapshot& snapshot);

/// The file that lapwing-snapshot writes, parsed once for all its readers: again only after it has changed.
/// Thread-safe.
class SnapshotFile {
  public:
    /// `proc`: the root of procfs, which tells the present boot and network namespace.
    explicit SnapshotFile(std::string path, std::string proc = "/proc");

    /// Errors: `not_found` (the helper has not run), `denied`, `protocol`, and `unavailable` for a snapshot
    /// that is older than `max_age_ms`, or of another boot or network namespace: it says nothing about now.
    Expected<std::shared_ptr<const Snapshot>> read(TimestampMs now, std::int64_t max_age_ms);

    const std::string& path() const { return path_; }

  private:
    Expected<std::shared_ptr<const Snapshot>> current();

    const std::string path_;
    const std::string proc_;
    Mutex mutex_;
    struct stat parsed_ LAPWING_GUARDED_BY(mutex_) {};  ///< of the file that `snapshot_` was read from
    std::shared_ptr<const Snapshot> snapshot_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::agent
