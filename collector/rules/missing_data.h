#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/error.h"

namespace lapwing::rules {

/// What one selector of an expression reads.
struct Input {
    storage::Matchers matchers;
    std::int64_t offset_ms = 0;
    std::int64_t range_ms = 0;  ///< 0: an instant selector
};

/// All selectors of an expression. Error `invalid` if it does not parse.
Expected<std::vector<Input>> inputsOf(std::string_view query);

/// Whether the series behind an alert that vanished are missing, which is no recovery.
///
/// Looked at is every series of the inputs that was alive at `last_true` and whose labels do not contradict
/// `source` (the labels of the vanished element). It is missing if it went silent, or if it ended with a
/// staleness marker while the `up` of its job and instance is not 1: then its probe failed. It ended in truth
/// if the marker came while `up` is 1, if `up` itself ended with a marker (the probe was switched off), or if
/// there is no such `up` (a recorded series). A series that another agent still reports is not missing. If
/// the data cannot be read, they are missing.
bool dataMissing(const storage::Queryable& data, const std::vector<Input>& inputs, const Labels& source,
                 TimestampMs last_true, TimestampMs now, std::int64_t lookback_ms);

}  // namespace lapwing::rules
