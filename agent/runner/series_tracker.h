#pragma once

#include <array>
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
    /// The labels of a series as unpack() reads them. Valid during the call.
    using Packed = std::string_view;
    using Use = std::function<void(std::uint64_t hash, Packed labels)>;

    void add(const Labels& labels);
    void add(std::uint64_t hash, Packed labels);
    /// Of the labels, in the order of add().
    const std::vector<std::uint64_t>& hashes() const { return hashes_; }
    /// Calls `use` for each series, in the order of add().
    void forEach(const Use& use) const;
    static Labels unpack(Packed labels);
    void shrink();

  private:
    std::vector<std::uint64_t> hashes_;
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
    /// The run is partial (ProbeResult::partial, ProbeResult::depth). Emits a marker only for series of the
    /// last partial runs up to this depth that it lacks. The other series are not at hand, not gone.
    void finishPart(TimestampMs at, const Emit& emit, unsigned depth = 0);

    /// A run with all its series at once; markers are appended to it.
    void finish(std::vector<TimeSeries>& current, TimestampMs at);
    void finishPart(std::vector<TimeSeries>& current, TimestampMs at, unsigned depth = 0);

  private:
    static constexpr std::size_t kPaces = 3;  ///< partial runs of depth 0 and 1, whole runs
    void finishUpTo(std::size_t pace, TimestampMs at, const Emit& emit);

    /// The present series by the fastest pace that has had them. A series that a slower pace had first stands
    /// there, too, until that pace's next run. So a run reads no more than the series of its own pace.
    std::array<PackedSeries, kPaces> known_;
    PackedSeries seen_;  ///< those of the run that has not finished
};

}  // namespace lapwing::agent
