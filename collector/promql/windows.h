#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "collector/promql/context.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// A range vector before it is cut into windows: the samples that any step needs, without staleness
/// markers.
struct RangeVector {
    struct Element {
        Labels labels;
        std::vector<Sample> samples;
    };
    std::vector<Element> series;
    std::int64_t range_ms = 0;
    std::int64_t offset_ms = 0;
    std::optional<TimestampMs> fixed;  ///< `@`: the same window at every step
};

/// The input of a range function at one step.
struct Window {
    std::span<const Sample> samples;  ///< never empty
    TimestampMs at = 0;               ///< the step's time, without offsets
    TimestampMs start = 0;            ///< the window's ends, with offsets
    TimestampMs end = 0;
    std::span<const double> parameters;  ///< the scalar arguments in order
    bool compat2 = false;
    bool falls = false;  ///< a sample is smaller than its predecessor in the window: the counter was reset

    double rangeSeconds() const { return static_cast<double>(end - start) / 1000; }
};

/// Moves a window over one series along the steps of a grid; both ends only move forward.
class WindowCursor {
  public:
    /// `closed`: a sample exactly at the window's start belongs to it (Prometheus 2).
    WindowCursor(const RangeVector& range, const std::vector<Sample>& samples, bool closed)
        : range_(range), samples_(samples), closed_(closed) {}

    /// The window at a time that is not before the previous one. Its samples may be empty.
    Window at(TimestampMs time);

  private:
    const RangeVector& range_;
    const std::vector<Sample>& samples_;
    bool closed_;
    std::size_t first_ = 0;
    std::size_t past_ = 0;
    std::size_t fallen_ = 0;  ///< the newest sample so far that is smaller than its predecessor; 0: none
};

}  // namespace lapwing::promql
