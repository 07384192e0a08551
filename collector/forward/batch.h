#pragma once

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/forward/config.h"
#include "collector/storage/arrival_log.h"

namespace lapwing::forward {

/// The content of one remote_write request. Every series has samples.
struct Request {
    std::vector<TimeSeries> series;
    std::size_t samples = 0;
};

/// The bounds of a request.
struct RequestLimits {
    std::size_t samples = 2000;
    std::size_t bytes = 1U << 20;  ///< before compression, roughly
};

/// Gathers the samples that a destination wants from consecutive entries of the arrival log. Not
/// synchronised.
class Gatherer {
  public:
    explicit Gatherer(const Destination& destination) : destination_(destination) {}

    /// The number of samples that add() would take from a batch.
    std::size_t wanted(const storage::LoggedBatch& batch);
    void add(storage::LoggedBatch batch);
    std::size_t samples() const { return samples_; }
    /// Samples of series that have been deleted: their labels are unknown, so they cannot be matched.
    std::size_t deleted() const { return deleted_; }
    /// Returns everything that was added, as requests, and empties the gatherer. The samples of a series
    /// ascend within a request and from each request to the next.
    std::deque<Request> take(const RequestLimits& limits);

  private:
    bool wants(const storage::LoggedSeries& series);

    const Destination& destination_;
    std::vector<signed char> wanted_;  ///< by series: 0 not matched yet, 1 wanted, -1 not wanted
    std::vector<TimeSeries> series_;
    std::unordered_map<std::uint32_t, std::size_t> places_;
    std::size_t samples_ = 0;
    std::size_t deleted_ = 0;
};

/// Splits a request of at least two samples into halves. The first half of the series' samples come first.
std::pair<Request, Request> halve(Request request);

}  // namespace lapwing::forward
