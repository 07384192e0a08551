#pragma once

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "collector/ingest/claims.h"
#include "collector/ingest/known_series.h"
#include "collector/storage/store.h"
#include "common/model/remote_write.h"

namespace lapwing::ingest {

/// Counts the refused samples, and keeps why the first was refused.
class Refusals {
  public:
    void add(std::size_t samples, const std::string& first) {
        count_ += samples;
        if (samples > 0 && first_.empty()) {
            first_ = first;
        }
    }
    void add(const Refusals& more) {
        add(more.count_, more.first_);
        times_ += more.times_;
        foreign_ += more.foreign_;
    }
    /// The same for samples that are refused for their times alone.
    void addTimes(std::size_t samples, const std::string& first) {
        add(samples, first);
        times_ += samples;
    }
    /// The same for samples that their sender may not send.
    void addForeign(std::size_t samples, const std::string& first) {
        add(samples, first);
        foreign_ += samples;
    }
    std::size_t count() const { return count_; }
    std::size_t foreign() const { return foreign_; }
    std::size_t times() const { return times_; }
    const std::string& first() const { return first_; }

  private:
    std::size_t count_ = 0;
    std::size_t times_ = 0;
    std::size_t foreign_ = 0;
    std::string first_;
};

/// Some series of a write request on their way to the store. Refers to the request, which must outlive it.
class Batch {
  public:
    /// Adds the label `agent` to every series, unless it is empty, and refuses samples later than `latest`
    /// and series that `claims` denies the agent.
    Batch(const std::string& agent, std::span<const WrittenSeries> written, const RemoteWriteLimits& limits,
          Claims& claims, TimestampMs latest);

    /// Decodes and checks the labels of the series that are unknown. `known` has an entry for each series.
    void recognize(std::span<const KnownSeries::Known> known);
    /// A message that names a series that claims another agent; "" if no series does.
    const std::string& forbidden() const { return forbidden_; }

    /// Once, after recognize().
    Expected<storage::AppendResult> store(storage::Store& store);
    /// The series to remember after store().
    const std::vector<KnownSeries::Known>& learnt() const { return learnt_; }
    /// The refusals of recognize(). The store's answer has its own.
    Refusals& refusals() { return refusals_; }

  private:
    struct Origin {
        std::size_t position = 0;  ///< in written_
        KnownSeries::Key key;
    };
    /// Null if the series cannot be stored.
    const Labels* readLabels(const WrittenSeries& series);
    std::span<const Sample> withoutFuture(const WrittenSeries& series, const Labels* labels);

    const std::string& agent_;
    const std::span<const WrittenSeries> written_;
    const RemoteWriteLimits& limits_;
    Claims& claims_;
    const TimestampMs latest_;
    std::vector<storage::BatchSeries> series_;
    std::vector<Origin> origins_;             ///< for each of series_
    std::deque<Labels> labels_;               ///< series_ points to them
    std::deque<std::vector<Sample>> spared_;  ///< the accepted samples of series with refused ones
    std::vector<KnownSeries::Known> learnt_;
    Refusals refusals_;
    std::string forbidden_;
};

/// Splits the series of a request into parts of at most 8192 series whose unknown labels take at most 256
/// KiB: decoded labels take up to eight times the memory of encoded ones.
std::vector<std::span<const WrittenSeries>> batchesOf(std::span<const WrittenSeries> series,
                                                      std::span<const KnownSeries::Known> known);

}  // namespace lapwing::ingest
