#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "common/model/sample.h"
#include "tests/bench/replay/capture.h"

namespace lapwing::bench {

/// One capture on one host, carried on in time: what a scraper would read there, scrape after scrape. The
/// same seed and capture always say the same.
class Target {
  public:
    /// The capture must outlive it.
    Target(const Capture& capture, const std::string& instance, std::uint32_t seed);

    /// Moves on by one scrape, due at `at`, and returns every series with its one new sample.
    const std::vector<TimeSeries>& scrape(TimestampMs at);

  private:
    const Capture* capture_;
    std::minstd_rand random_;
    std::vector<TimeSeries> series_;
    std::vector<std::int64_t> sums_;  ///< of counters with decimals, by series
    std::size_t position_ = 0;        ///< in the capture, of the gauges
};

}  // namespace lapwing::bench
