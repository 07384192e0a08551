#pragma once

#include <string>

#include "collector/notify/delivery_table.h"

namespace lapwing::notify {

/// Alertmanager's webhook payload, version 4
/// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
std::string webhookPayload(const Notification& notification, const std::string& receiver,
                           const std::string& external_url);

/// The body of Alertmanager's POST /api/v2/alerts.
std::string alertmanagerPayload(const Notification& notification);

/// "[FIRING:2] MysqlReplicaLag (web-02)": one line, whatever the labels hold.
std::string mailSubject(const Notification& notification);
/// Plain text for a person: what, where, since when, what to do.
std::string mailBody(const Notification& notification, const std::string& external_url);

/// RFC 3339 with milliseconds, in UTC.
std::string formatTime(TimestampMs time);

}  // namespace lapwing::notify
