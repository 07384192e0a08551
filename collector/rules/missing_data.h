#pragma once

#include <cstdint>
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

/// Whether the series behind a vanished alert are missing, which is not recovery.
///
/// Examines each input series that was alive at `last_true` and whose labels do not contradict `source`
/// (the labels of the vanished element). A series is missing if it went silent, or if it ended with a
/// staleness marker while the `up` of its job and instance is not 1 (its probe failed). A series ended
/// regularly if its marker came while `up` is 1, if `up` itself ended with a marker (the probe was
/// disabled), or if it has no `up` (a recorded series). A series that another agent still reports is not
/// missing. Unreadable data count as missing.
bool dataMissing(const storage::Queryable& data, const std::vector<Input>& inputs, const Labels& source,
                 TimestampMs last_true, TimestampMs now, std::int64_t lookback_ms);

}  // namespace lapwing::rules
