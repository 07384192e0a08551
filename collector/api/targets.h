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

/// A recently observed target: one series of `up`.
struct Target {
    Labels labels;  ///< the labels of its `up`, without the name
    bool up = false;
    std::string reason;  ///< why it is down, if known
    TimestampMs last = 0;
    double seconds = 0;            ///< duration of the last run; NaN if unknown
    std::int64_t interval_ms = 0;  ///< time between the last two runs; 0: there was one run
};

/// The targets with a sample within `lookback_ms` before `now` that have not ended, sorted by labels.
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
