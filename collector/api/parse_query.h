#pragma once

#include <string>

#include "collector/api/exchange.h"

namespace lapwing::api {

/// /api/v1/parse_query: the tree of an expression, as Prometheus 3 shows it.
void answerParseQuery(const std::string& query, Responder& responder);

/// Whether a query reads any series: `1 + 1` does not. Error `invalid` if it does not parse.
Expected<bool> selectsSeries(const std::string& query);

}  // namespace lapwing::api
