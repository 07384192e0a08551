#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// A range vector before it is cut into windows: all samples that any step needs, staleness markers removed.
struct RangeVector {
    struct One {
        Labels labels;
        std::vector<Sample> samples;
    };
    std::vector<One> series;
    std::int64_t range_ms = 0;
    std::int64_t offset_ms = 0;
    std::optional<TimestampMs> fixed;  ///< `@`: every step sees the same window
};

/// What a function over a range sees at one step.
struct Window {
    std::span<const Sample> samples;  ///< never empty
    TimestampMs at = 0;               ///< the step's time, offsets not applied
    TimestampMs start = 0;            ///< the window's ends, offsets applied
    TimestampMs end = 0;
    std::span<const double> parameters;  ///< the scalar arguments, in their order
    bool compat2 = false;
    bool falls = false;  ///< a sample is smaller than the one before it in the window: a counter was reset

    double rangeSeconds() const { return static_cast<double>(end - start) / 1000; }
};

/// Walks over the steps of a grid with a window on one series; both ends only move forward.
class WindowCursor {
  public:
    /// `closed`: the sample at the window's very start belongs to it (Prometheus 2).
    WindowCursor(const RangeVector& range, const std::vector<Sample>& samples, bool closed)
        : range_(range), samples_(samples), closed_(closed) {}

    /// The window at a time that is not before the last one asked for. Samples may be empty.
    Window at(TimestampMs time);

  private:
    const RangeVector& range_;
    const std::vector<Sample>& samples_;
    bool closed_;
    std::size_t first_ = 0;
    std::size_t past_ = 0;
    std::size_t fallen_ = 0;  ///< the newest sample so far that is smaller than the one before it; 0: none
};

}  // namespace lapwing::promql
