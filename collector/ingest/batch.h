#pragma once

#include <deque>
#include <string>
#include <vector>

#include "collector/ingest/known_series.h"
#include "collector/storage/store.h"
#include "common/model/remote_write.h"

namespace lapwing::ingest {

/// Collects what is refused: how many samples, and why the first was.
class Refusals {
  public:
    void add(std::size_t samples, const std::string& first) {
        count_ += samples;
        if (samples > 0 && first_.empty()) first_ = first;
    }
    std::size_t count() const { return count_; }
    const std::string& first() const { return first_; }

  private:
    std::size_t count_ = 0;
    std::string first_;
};

/// What of a write request goes to the store. Looks into the request, which must outlive it.
class Batch {
  public:
    /// The series get the label `agent`, unless that is empty; samples later than `latest` are refused.
    Batch(const std::string& agent, const WriteRequest& request, const RemoteWriteLimits& limits,
          TimestampMs latest);

    /// Reads and checks the labels of the series that are not known: `known` has an entry for each.
    void recognize(std::vector<KnownSeries::Known> known);
    /// A series that claims another agent, and that it does; "" if none does.
    const std::string& forbidden() const { return forbidden_; }

    /// Once, after recognize().
    Expected<storage::AppendResult> store(storage::Store& store);
    /// What can be remembered once it is stored.
    const std::vector<KnownSeries::Known>& learnt() const { return learnt_; }
    /// Of recognize() alone: the store's are in its own answer.
    Refusals& refusals() { return refusals_; }

  private:
    struct Origin {
        std::size_t position = 0;  ///< in the request
        KnownSeries::Key key;
    };
    /// Null if they cannot be stored.
    const Labels* readLabels(const WrittenSeries& series);
    std::span<const Sample> withoutFuture(const WrittenSeries& series, const Labels* labels);

    const std::string& agent_;
    const WriteRequest& request_;
    const RemoteWriteLimits& limits_;
    const TimestampMs latest_;
    std::vector<storage::BatchSeries> series_;
    std::vector<Origin> origins_;             ///< of each of series_
    std::deque<Labels> labels_;               ///< that series_ point to
    std::deque<std::vector<Sample>> spared_;  ///< samples of a series some of whose were refused
    std::vector<KnownSeries::Known> learnt_;
    Refusals refusals_;
    std::string forbidden_;
};

}  // namespace lapwing::ingest
