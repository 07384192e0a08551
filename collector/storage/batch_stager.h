#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collector/storage/heads.h"
#include "collector/storage/paged_vector.h"
#include "collector/storage/series_catalog.h"
#include "collector/storage/store.h"

namespace lapwing::storage {

/// A caller of append() who waits for the commit of a batch.
struct PendingBatch {
    std::span<BatchSeries> batch;
    const std::string* sender = nullptr;
    bool done = false;
    Expected<AppendResult> result;
};

/// What is to be stored of a batch.
struct StagedBatch {
    PendingBatch* pending = nullptr;
    AppendResult result;
    std::vector<SeriesBatch> series;  ///< look into `samples`
    std::vector<Sample> samples;
    std::vector<std::pair<std::size_t, SeriesId>> found;  ///< positions in the batch that had no `ref`
};

/// The batches that one commit writes.
struct CommitGroup {
    std::uint32_t first_batch = 0;  ///< their numbers begin with this
    std::vector<StagedBatch> staged;
    NewSeries created;
};

/// Decides what of a batch is stored: looks its series up or creates them, and compares its samples with
/// those that the store has. Every call needs the write mutex.
class BatchStager {
  public:
    BatchStager(const StoreOptions& options, Database& database, SeriesCatalog& catalog, Heads& heads);

    /// An empty group, for batches from now on.
    CommitGroup newGroup(const WriteAccess& access);
    /// True if the batch and the group have a series in common. Batches are compared with committed samples
    /// only, so that such a batch has to wait for the next group.
    bool mustWait(const WriteAccess& access, std::span<const BatchSeries> batch,
                  const CommitGroup& group) const;
    /// Adds what is to be stored of the batch to the group.
    Expected<void> stage(const WriteAccess& access, PendingBatch& pending, CommitGroup& group);

    /// Samples of the collector itself that were refused, since the start. From any thread.
    std::uint64_t ownRefused() const { return own_refused_; }

  private:
    /// A series in a batch.
    struct Part {
        SeriesId id = 0;
        std::uint32_t place = 0;  ///< of the first part with the same series
        const BatchSeries* series = nullptr;
    };

    Expected<std::vector<Part>> identifyAll(const WriteAccess& access, StagedBatch& staged,
                                            NewSeries& created);
    Expected<std::optional<SeriesId>> identify(const WriteAccess& access, const std::string& sender,
                                               const Labels& labels, std::span<const Sample> samples,
                                               NewSeries& created, AppendResult& result);
    Expected<std::size_t> sift(const WriteAccess& access, SeriesId id, const Labels* labels,
                               std::span<Sample> samples, AppendResult& result) const;
    Expected<std::vector<Sample>> stored(const WriteAccess& access, SeriesId id, TimestampMs from,
                                         TimestampMs to) const;

    const StoreOptions& options_;
    Database& database_;
    SeriesCatalog& catalog_;
    Heads& heads_;
    std::atomic<std::uint64_t> own_refused_{0};
    std::uint32_t batch_number_ LAPWING_GUARDED_BY(database_.write_mutex) = 0;
    /// The batch that touched a series last, and the series' place in it.
    struct Touch {
        std::uint32_t batch = 0;
        std::uint32_t place = 0;
    };
    std::uint32_t cleared_at_ LAPWING_GUARDED_BY(database_.write_mutex) = 0;
    TimestampMs first_kept_ = 0;  ///< retention deletes samples before it
    PagedVector<Touch> touched_ LAPWING_GUARDED_BY(database_.write_mutex);
};

}  // namespace lapwing::storage
