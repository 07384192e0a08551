#pragma once

#include <vector>

#include "collector/api/exchange.h"
#include "collector/rules/manager.h"

namespace lapwing::api {

/// The answers of /api/v1/rules and /api/v1/alerts.
void answerRules(const std::vector<rules::GroupStatus>& groups, const Parameters& parameters,
                 Responder& responder);
void answerAlerts(const std::vector<rules::GroupStatus>& groups, Responder& responder);

}  // namespace lapwing::api
