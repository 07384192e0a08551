#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::bench {

/// How a captured series goes on after its capture.
enum class Course {
    constant,  ///< never changed while it was captured
    counter,   ///< never fell: one of the observed increments after the other
    gauge,     ///< one of the observed values after the other
};

/// A series as it was scraped some times in a row, `values` in order. Increments are kept as multiples of
/// 10^-decimals, because the sums of binary fractions would have digits that no exporter ever prints.
struct CapturedSeries {
    Labels labels;
    Course course = Course::constant;
    int decimals = -1;  ///< -1: too many digits for whole numbers; increments are added as floating point
    std::vector<double> values;
    std::vector<std::int64_t> scaled;  ///< the values times 10^decimals; empty if decimals is -1
};

/// What one exporter (or one probe) said, made by tests/bench/lib/captures.py.
struct Capture {
    std::string name;
    std::vector<std::int64_t> jitter_ms;  ///< how late each scrape was
    std::vector<CapturedSeries> series;

    std::size_t scrapes() const { return jitter_ms.size(); }
};

/// Reads DIRECTORY/NAME.json: {"jitter_ms": [...], "series": [{"labels": {...}, "counter": true, "values":
/// ["1.5", ...]}, ...]}, the values as the exporter printed them. Error `not_found` or `invalid`.
Expected<Capture> loadCapture(const std::string& directory, const std::string& name);

}  // namespace lapwing::bench
