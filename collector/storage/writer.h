#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collector/storage/batch_stager.h"
#include "collector/storage/log_table.h"

namespace lapwing::storage {

/// Appends batches. A batch is compared with what its series hold, written to the arrival log and, once that
/// is committed, added to the head. Callers that come at the same moment share one commit: the first of them
/// makes it for all (group commit). Thread-safe.
class Writer {
  public:
    Writer(const StoreOptions& options, Database& database, SeriesCatalog& catalog, Heads& heads,
           LogTable& log);

    /// As in Store.
    Expected<AppendResult> append(std::span<BatchSeries> batch, const std::string& sender);

    /// Since the start.
    std::uint64_t samplesStored() const { return samples_stored_; }
    std::uint64_t ownRefused() const { return stager_.ownRefused(); }
    /// Why the last commit failed; "" after a success.
    std::string trouble() const;

  private:
    std::size_t commit(std::vector<PendingBatch*>& pending) noexcept;
    void noteTrouble(const Expected<void>& written);
    bool stage(const WriteAccess& access, PendingBatch& pending, CommitGroup& group);
    Expected<void> write(const WriteAccess& access, const CommitGroup& group);
    void publish(const WriteAccess& access, const CommitGroup& group, LogEnd end);

    const StoreOptions& options_;
    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
    LogTable& log_;
    BatchStager stager_;
    std::atomic<std::uint64_t> samples_stored_{0};

    mutable Mutex trouble_mutex_;
    std::string trouble_ LAPWING_GUARDED_BY(trouble_mutex_);

    Mutex queue_mutex_;
    ConditionVariable committed_;
    std::vector<PendingBatch*> queue_ LAPWING_GUARDED_BY(queue_mutex_);
    bool committing_ LAPWING_GUARDED_BY(queue_mutex_) = false;  ///< a caller makes a commit at the moment
};

}  // namespace lapwing::storage
