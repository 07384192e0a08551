#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "common/model/sample.h"

namespace lapwing::ingest {
class MetadataBook;
}
namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// What was observed lately: each series of `up` is a target.
struct Target {
    Labels labels;  ///< of its `up`, without the name
    bool up = false;
    std::string reason;  ///< why it is not up, where that is known
    TimestampMs last = 0;
    double seconds = 0;            ///< how long the last run took; NaN where that is not known
    std::int64_t interval_ms = 0;  ///< between the last two; 0: there was one
};

/// Those with a sample within `lookback_ms` before `now` that have not ended, sorted by labels.
Expected<std::vector<Target>> findTargets(const storage::Queryable& data, TimestampMs now,
                                          std::int64_t lookback_ms);

/// /api/v1/targets: `state`, `scrapePool` (the job).
void answerTargets(const std::vector<Target>& targets, const Parameters& parameters, Responder& responder);
/// /api/v1/scrape_pools: the jobs.
void answerScrapePools(const std::vector<Target>& targets, Responder& responder);
/// /api/v1/targets/metadata: `match_target`, `metric`, `limit`.
void answerTargetMetadata(const std::vector<Target>& targets, const storage::Queryable& data,
                          const ingest::MetadataBook& book, const Parameters& parameters,
                          Responder& responder);
/// /api/v1/metadata: `metric`, `limit`, `limit_per_metric`.
void answerMetadata(const ingest::MetadataBook& book, const Parameters& parameters, Responder& responder);

}  // namespace lapwing::api
