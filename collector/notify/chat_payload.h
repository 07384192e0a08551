#pragma once

#include <string>

#include "collector/notify/delivery_table.h"

namespace lapwing::notify {

/// A message for Slack's incoming webhooks (https://api.slack.com/messaging/webhooks), with the attachment
/// colours that Alertmanager uses. What labels and annotations hold is text there, never markup.
std::string slackPayload(const Notification& notification, const std::string& external_url);

/// A message for Microsoft Teams' workflow webhooks: an Adaptive Card, at most 28 KB as Teams demands.
std::string teamsPayload(const Notification& notification, const std::string& external_url);

}  // namespace lapwing::notify
