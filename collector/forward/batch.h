#pragma once

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collector/forward/config.h"
#include "collector/storage/arrival_log.h"

namespace lapwing::forward {

/// What one request carries; no series is without samples.
struct Request {
    std::vector<TimeSeries> series;
    std::size_t samples = 0;
};

/// How large a request may be.
struct RequestLimits {
    std::size_t samples = 2000;
    std::size_t bytes = 1U << 20;  ///< before compression, roughly
};

/// Gathers what a destination wants of consecutive entries of the arrival log. Not synchronised.
class Gatherer {
  public:
    explicit Gatherer(const Destination& destination) : destination_(destination) {}

    /// How many of a batch's samples add() would take.
    std::size_t wanted(const storage::LoggedBatch& batch);
    void add(storage::LoggedBatch batch);
    std::size_t samples() const { return samples_; }
    /// Samples of series that are not known any more: nobody can tell whether they were wanted.
    std::size_t deleted() const { return deleted_; }
    /// All that was added, in requests; empties the gatherer. Each series' samples are in ascending order,
    /// within a request and from one to the next.
    std::deque<Request> take(const RequestLimits& limits);

  private:
    bool wants(const storage::LoggedSeries& series);

    const Destination& destination_;
    std::vector<signed char> wanted_;  ///< by series: 0 not asked yet, 1 yes, -1 no
    std::vector<TimeSeries> series_;
    std::unordered_map<std::uint32_t, std::size_t> places_;
    std::size_t samples_ = 0;
    std::size_t deleted_ = 0;
};

/// Two requests with half of the samples each, the earlier ones first. `request` has two samples at least.
std::pair<Request, Request> halve(Request request);

}  // namespace lapwing::forward
