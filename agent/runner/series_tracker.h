#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// Labels of many series in little memory: each stands as its difference from the one before.
class PackedSeries {
  public:
    struct Item {
        std::uint64_t hash = 0;  ///< of the labels
        std::uint64_t part_run = 0;
    };

    void add(const Labels& labels, std::uint64_t part_run);
    const std::vector<Item>& items() const { return items_; }
    void setPartRun(std::size_t place, std::uint64_t part_run) { items_[place].part_run = part_run; }
    /// Calls `use` for each series, in the order of add().
    void forEach(const std::function<void(const Item&, const std::function<Labels()>&)>& use) const;
    void shrink();

  private:
    std::vector<Item> items_;
    std::string packed_;  ///< shared length, own length, own bytes
    std::string last_;    ///< the labels of the last one, as text
};

/// Ends the series that a source no longer yields, with a staleness marker, as a Prometheus scrape does. One
/// tracker for each source. Not synchronised.
class SeriesTracker {
  public:
    using Emit = std::function<void(TimeSeries)>;

    /// A run has these series; its other series may come with further calls.
    void see(const std::vector<TimeSeries>& series);
    /// The run is whole. Emits a staleness marker at `at` for each series of earlier runs that it lacks.
    void finish(TimestampMs at, const Emit& emit);
    /// The run has the part of the series that every partial run yields. Emits a marker only for series of
    /// the last partial run that it lacks. The other series are not at hand, not gone.
    void finishPart(TimestampMs at, const Emit& emit);

    /// A run with all its series at once; markers are appended to it.
    void finish(std::vector<TimeSeries>& current, TimestampMs at);
    void finishPart(std::vector<TimeSeries>& current, TimestampMs at);

  private:
    /// The present series, each with the last partial run that had it (0: none).
    PackedSeries known_;
    PackedSeries seen_;  ///< those of the run that has not finished
    std::uint64_t part_run_ = 1;
};

}  // namespace lapwing::agent
