#pragma once

#include <cstdint>

#include "collector/api/exchange.h"
#include "common/model/sample.h"

namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// /federate: the newest sample of every series that a `match[]` selects, not older than the lookback, in
/// the text exposition format with timestamps. Names outside the format's first version are escaped, or
/// quoted if the client accepts that (Accept: escaping=allow-utf-8). Errors are plain text, as in
/// Prometheus.
void answerFederate(const storage::Queryable& data, TimestampMs now, std::int64_t lookback_ms,
                    std::size_t max_samples, Request& request, const Parameters& parameters,
                    Responder& responder);

/// Prints a value as the text format does: Go's %g of the shortest form. "1e+06", "NaN", "+Inf".
std::string formatExposition(double value);

}  // namespace lapwing::api
