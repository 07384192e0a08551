#pragma once

#include <string>

#include "collector/notify/delivery_table.h"

namespace lapwing::notify {

/// A message for Slack's incoming webhooks (https://api.slack.com/messaging/webhooks), with the attachment
/// colours that Alertmanager uses. The texts of labels and annotations are never interpreted as markup.
std::string slackPayload(const Notification& notification, const std::string& external_url);

/// A message for Microsoft Teams' workflow webhooks: an Adaptive Card of at most 28 KB, Teams' limit.
std::string teamsPayload(const Notification& notification, const std::string& external_url);

}  // namespace lapwing::notify
