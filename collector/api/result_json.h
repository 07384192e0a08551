#pragma once

#include "collector/api/exchange.h"
#include "collector/promql/engine.h"

namespace lapwing::api {

/// Answers query and query_range. At most `limit` series (0: all), with a warning if there were more.
void answerResult(Expected<promql::Result> result, std::size_t limit, Responder& responder);

}  // namespace lapwing::api
