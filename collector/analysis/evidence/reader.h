#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/storage/store.h"
#include "common/error.h"

namespace lapwing::analysis::evidence {

/// The newest sample of one series.
struct Observation {
    std::shared_ptr<const Labels> labels;
    Sample sample;

    std::string get(const char* name) const { return std::string(labels->get(name)); }
    /// 0 for what is no number.
    int number(const char* name) const;
};

/// Reads what the series of the store say at one moment. Not synchronised.
class Reader {
  public:
    using Equals = std::vector<std::pair<const char*, const char*>>;

    /// `store` must outlive it.
    Reader(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms)
        : store_(store), now_(now), lookback_ms_(lookback_ms) {}

    /// The newest sample of each series of that name that is no older than the lookback (or `lookback_ms`)
    /// and no staleness marker. Empty after a failure, which failure() keeps.
    std::vector<Observation> of(const char* metric, const Equals& equals = {}, std::int64_t lookback_ms = 0);
    /// All samples of those series within that time.
    std::vector<storage::SeriesSamples> history(const char* metric, std::int64_t length_ms);

    /// The store's; without a message if there was none.
    const Error& failure() const { return failure_; }
    TimestampMs now() const { return now_; }

  private:
    std::vector<storage::SeriesSamples> select(const char* metric, const Equals& equals,
                                               std::int64_t length_ms);

    const storage::Store& store_;
    TimestampMs now_;
    std::int64_t lookback_ms_;
    Error failure_;
};

}  // namespace lapwing::analysis::evidence
