#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/notify/silences.h"
#include "collector/storage/queryable.h"
#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::api {

/// Something that happened at one moment.
struct Event {
    TimestampMs time = 0;
    std::string kind;  ///< "alert_began", "alert_ended", "restart", ...: docs/api.md lists them
    std::string host;  ///< "" for what concerns no host
    std::string text;  ///< one line, without its time
    Labels labels;     ///< of the alert or the finding
};

struct Timeline {
    std::vector<Event> events;  ///< by time
    bool truncated = false;     ///< there were more: the oldest are left out
};

inline constexpr std::int64_t kMostTimelineMs = 7LL * 86'400'000;
inline constexpr std::size_t kMostEvents = 1000;

/// What happened in [from, to], as the stored samples and the silences show it. A series that ends without a
/// staleness marker tells no end: the collector may have been down. Errors: those of the store; `exhausted`
/// for too many samples.
Expected<Timeline> timelineOf(const storage::Queryable& data, const std::vector<notify::Silence>& silences,
                              TimestampMs from, TimestampMs to);

/// Answers /api/lapwing/v1/timeline: `start` and `end`, by default the last 24 hours.
void answerTimeline(const storage::Queryable& data, const notify::Silences& silences,
                    const Parameters& parameters, Responder& responder);

}  // namespace lapwing::api
