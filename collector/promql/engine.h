#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "collector/limits/query_limits.h"
#include "collector/storage/queryable.h"
#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::promql {

struct Scalar {
    TimestampMs timestamp = 0;
    double value = 0;
};
struct String {
    TimestampMs timestamp = 0;
    std::string value;
};
struct VectorSample {
    Labels labels;
    Sample sample;
};
using Vector = std::vector<VectorSample>;
/// One entry for each series, sorted by labels.
using Matrix = std::vector<TimeSeries>;

struct Result {
    std::variant<Scalar, String, Vector, Matrix> value;
    std::vector<std::string> warnings;
    std::vector<std::string> infos;
};

struct EngineOptions {
    int compat = 3;                             ///< 2: closed ranges, as Prometheus 2; 3: left-open
    std::int64_t lookback_ms = 300'000;         ///< lookback delta
    std::int64_t default_interval_ms = 60'000;  ///< step of a subquery without a step
    std::size_t max_samples = 50'000'000;       ///< samples that one query may load
    std::size_t max_memory = QueryLimits::kDefaultMemory;  ///< of one query, in bytes
    std::int64_t timeout_ms = 120'000;
};

/// Evaluates PromQL over a Queryable. It has no state besides its options: safe from any thread.
/// Errors: `invalid` (bad_data: does not parse, bad parameters), `execution` (many-to-many matching and the
/// like), `timeout`, `exhausted` (too many samples, or too much memory), `unavailable` (cancelled),
/// `internal`. A query is also bound by the QueryLimits of the calling thread.
class Engine {
  public:
    Engine(const storage::Queryable& data, EngineOptions options) : data_(data), options_(options) {}

    /// `cancel`, if given, is checked during the evaluation.
    Expected<Result> instant(std::string_view query, TimestampMs at,
                             const std::atomic<bool>* cancel = nullptr) const;
    /// Steps from `start` to `end` inclusive. The result is a Matrix.
    Expected<Result> range(std::string_view query, TimestampMs start, TimestampMs end, std::int64_t step_ms,
                           const std::atomic<bool>* cancel = nullptr) const;

    const EngineOptions& options() const { return options_; }
    const storage::Queryable& data() const { return data_; }

  private:
    Expected<Result> evaluateInstant(std::string_view query, TimestampMs at) const;
    Expected<Result> evaluateRange(std::string_view query, TimestampMs start, TimestampMs end,
                                   std::int64_t step_ms) const;

    const storage::Queryable& data_;
    EngineOptions options_;
};

/// A series selector as in the API's `match[]`: `up{job="node"}`. It may match every series.
Expected<storage::Matchers> parseSelector(std::string_view text);

/// Parses a query and prints it in Prometheus' canonical form (used by the API's /rules).
Expected<std::string> canonical(std::string_view query);

}  // namespace lapwing::promql
