#pragma once

#include <string>

#include "collector/notify/delivery_table.h"

namespace lapwing::notify {

/// Prometheus' fingerprint of an alert's labels, 16 hexadecimal digits.
std::string fingerprint(const Labels& labels);

/// The address of the alert's own page: "EXTERNAL/alert?name=ALERTNAME&fingerprint=..."; "" without an
/// external URL.
std::string alertPage(const std::string& external_url, const Alert& alert);
/// The same for a message: the page of its alert if it is about one alert, else the external URL.
std::string messagePage(const std::string& external_url, const Notification& notification);

/// The labels, or annotations, that all alerts share.
Labels commonLabels(const Notification& notification);
Labels commonAnnotations(const Notification& notification);

/// Alertmanager's webhook payload, version 4
/// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
std::string webhookPayload(const Notification& notification, const std::string& receiver,
                           const std::string& external_url);

/// The body of Alertmanager's POST /api/v2/alerts.
std::string alertmanagerPayload(const Notification& notification);

/// "[FIRING:2] MysqlReplicaLag (web-02)": one line, even if labels hold line breaks.
std::string mailSubject(const Notification& notification);
/// Plain text for a person: the alert, its place, its start and the next step.
std::string mailBody(const Notification& notification, const std::string& external_url);

}  // namespace lapwing::notify
