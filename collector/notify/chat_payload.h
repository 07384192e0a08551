#pragma once

#include <cstddef>
#include <string>

#include "collector/notify/delivery_table.h"

namespace lapwing::notify {

/// A message for Slack's incoming webhooks (https://api.slack.com/messaging/webhooks), with the attachment
/// colours that Alertmanager uses. The texts of labels and annotations are never interpreted as markup.
std::string slackPayload(const Notification& notification, const std::string& external_url);

/// A message for Microsoft Teams' workflow webhooks: an Adaptive Card of at most 28 KB, Teams' limit.
std::string teamsPayload(const Notification& notification, const std::string& external_url);

/// A message for Discord's webhooks (https://discord.com/developers/docs/resources/webhook): one embed.
/// Nobody is mentioned, whatever the texts say.
std::string discordPayload(const Notification& notification, const std::string& external_url);

/// A message for ntfy (https://docs.ntfy.sh/publish/#publish-as-json). A firing alert of severity critical
/// has the priority 5, others 4, resolved ones 3.
std::string ntfyPayload(const Notification& notification, const std::string& topic,
                        const std::string& external_url);

/// A message for Telegram's sendMessage (https://core.telegram.org/bots/api#sendmessage), as plain text.
std::string telegramPayload(const Notification& notification, const std::string& chat,
                            const std::string& external_url);

/// An event for PagerDuty's Events API v2: one incident for each group of alerts (or each alert that is sent
/// by itself), which a resolved notification ends.
std::string pagerDutyPayload(const Notification& notification, const std::string& routing_key,
                             const std::string& external_url);

/// The alerts as plain lines, within `most` bytes.
std::string plainText(const Notification& notification, std::size_t most);

}  // namespace lapwing::notify
