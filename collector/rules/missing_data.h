#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/error.h"

namespace lapwing::rules {

/// The series that one selector of an expression reads.
struct Input {
    storage::Matchers matchers;
    std::int64_t offset_ms = 0;
    std::int64_t range_ms = 0;  ///< 0: an instant selector
};

/// All selectors of an expression. Error `invalid` if it does not parse.
Expected<std::vector<Input>> inputsOf(std::string_view query);

/// The missing series behind a vanished alert.
struct MissingData {
    /// For each missing series, how long ago it had its newest sample.
    std::map<Labels, std::int64_t> series;
    /// Each selector with a missing series reads other series of this alert, too, which are not missing.
    bool partial = true;
    bool unreadable = false;  ///< the store failed

    bool empty() const { return series.empty() && !unreadable; }
};

/// Finds the missing series behind a vanished alert. Missing data are not recovery.
///
/// Examines each input series that was alive at `last_true` and whose labels do not contradict `source`
/// (the labels of the vanished element). A series is missing if it went silent, or if it ended with a
/// staleness marker while the `up` of its job and instance is not 1 (its probe failed). A series ended
/// regularly if its marker came while `up` is 1, if `up` itself ended with a marker (the probe was
/// disabled), or if it has no `up` (a recorded series). A series that another agent still reports is not
/// missing. Data that cannot be read within the thread's QueryLimits are unreadable.
MissingData findMissing(const storage::Queryable& data, const std::vector<Input>& inputs,
                        const Labels& source, TimestampMs last_true, TimestampMs now,
                        std::int64_t lookback_ms);

/// Reads a store as if the given series had gone on as they were: their samples are moved forward in time, so
/// that the newest sample of each is at the time of the query. Holds references to both.
class ContinuedSeries : public storage::Queryable {
  public:
    /// `series`: labels, and by how much their samples move (MissingData::series).
    ContinuedSeries(const storage::Queryable& data, const std::map<Labels, std::int64_t>& series)
        : data_(data), series_(series) {}

    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to,
                                                         std::size_t max_samples) const override;
    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>& any, TimestampMs from,
                                         TimestampMs to) const override;
    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const override;
    Expected<std::vector<std::string>> labelValues(const std::string& name,
                                                   const std::vector<storage::Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const override;

  private:
    Expected<std::vector<Sample>> moved(const Labels& labels, std::int64_t by_ms, TimestampMs from,
                                        TimestampMs to, std::size_t max_samples) const;

    const storage::Queryable& data_;
    const std::map<Labels, std::int64_t>& series_;
};

}  // namespace lapwing::rules
