#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/notify/body_template.h"
#include "collector/notify/delivery_table.h"
#include "collector/notify/inhibit.h"
#include "collector/notify/notifier.h"
#include "collector/notify/routes.h"
#include "common/error.h"

namespace lapwing::config {
class Node;
}
namespace lapwing::storage {
class Store;
}

namespace lapwing::notify {

class Silences;

enum class WebhookFormat { alertmanager, slack, teams, discord, ntfy, telegram, pagerduty, templated };

/// `notify.webhook[]`: gets notifications by POST, as Alertmanager's webhook payload (version 4) or in the
/// format of a chat or an on-call service.
struct WebhookConfig {
    std::string name;  ///< for routes and people; "" for "webhook[0]"
    std::string url;
    std::string ca_file;            ///< "" trusts the system's store
    std::string bearer_token_file;  ///< "" sends no Authorization header
    bool send_resolved = true;
    std::string url_file;  ///< instead of `url`: a file whose first line is the URL
    WebhookFormat format = WebhookFormat::alertmanager;
    std::string chat;                  ///< telegram: the chat's id
    std::optional<BodyTemplate> body;  ///< templated: what is sent
    std::string body_file;             ///< where `body` is from; "" if the configuration holds it
    std::string method = "POST";
    std::map<std::string, std::string> headers;
    std::map<std::string, std::string> header_files;  ///< names, and the files with their values
    std::string routing_key_file;  ///< pagerduty: a file whose first line is the integration key
};

enum class SmtpSecurity { none, starttls, tls };

/// `notify.email[]`: one mail for each group of alerts.
struct EmailConfig {
    std::string name;  ///< for routes and people; "" for "email[0]"
    std::vector<std::string> to;
    std::string from;
    std::string smtp;  ///< host:port
    SmtpSecurity security = SmtpSecurity::none;
    std::string ca_file;
    std::string username;       ///< "" does not log in
    std::string password_file;  ///< a file whose first line is the password
    bool send_resolved = true;
};

/// `notify.alertmanager[]`: an Alertmanager, which gets every alert by POST URL/api/v2/alerts and does its
/// own grouping.
struct AlertmanagerConfig {
    std::string name;  ///< for routes and people; "" for "alertmanager[0]"
    std::string url;
    std::string ca_file;
    std::string bearer_token_file;
};

/// `notify.heartbeat`: gets a request at each interval while notifications work.
struct HeartbeatConfig {
    std::string url;
    std::string url_file;
    std::string ca_file;
    std::string method = "POST";
    std::int64_t interval_ms = 60'000;
};

struct Config {
    std::vector<WebhookConfig> webhook;
    std::vector<EmailConfig> email;
    std::vector<AlertmanagerConfig> alertmanager;
    std::int64_t repeat_interval_ms = 4LL * 3'600'000;  ///< an ongoing alert is sent again after this
    std::vector<std::string> group_by = {"alertname"};  ///< labels; alerts with equal values form a group
    bool group_by_all = false;                          ///< `...`: one group for each alert
    std::int64_t group_wait_ms = 10'000;       ///< from a group's first alert to its first notification
    std::int64_t group_interval_ms = 300'000;  ///< least time between two notifications of one group
    std::vector<InhibitRule> inhibit = defaultInhibitRules();
    std::optional<HeartbeatConfig> heartbeat;
    std::vector<Route> routes;  ///< empty: every receiver gets every alert
    // Set by the caller, not read from `notify:`.
    std::string external_url;
    std::string instance;  ///< of the heartbeat's samples

    std::size_t receivers() const { return webhook.size() + email.size() + alertmanager.size(); }
};

/// The names of the configured receivers: `name`, else the kind and the place: "webhook[0]".
std::vector<std::string> receiverNames(const Config& config);

/// Reads the `notify:` section of collector.yaml; errors become Problems of the node's reader.
void readConfig(const config::Node& node, Config& out);

/// A notification that a receiver did not take.
struct DeliveryTrouble {
    std::string
        notification;  ///< the labels of its group, or of its alert; "" for a receiver that is not reached
    std::string reason;
    TimestampMs since = 0;
};

/// The state of one receiver.
struct ReceiverStatus {
    std::string name;                        ///< "webhook[0]", "email[0]"
    std::uint64_t sent = 0;                  ///< accepted notifications
    std::uint64_t failed = 0;                ///< failed attempts
    std::uint64_t given_up = 0;              ///< notifications that the receiver refused too often
    std::size_t waiting = 0;                 ///< alerts with news that the receiver has not accepted
    std::optional<DeliveryTrouble> failing;  ///< since the first failed attempt after a success
    std::optional<DeliveryTrouble> refused;  ///< the last notification that was given up
};

/// What one receiver knows of an alert.
struct ReceiverTold {
    enum class Role {
        addressed,    ///< a route leads the alert to it, or there is none
        alternative,  ///< it is told while another receiver fails
        none,         ///< no route leads the alert to it now
    };
    std::string receiver;
    std::optional<Told> told;
    /// The last refusal if the alert was given up; else why the receiver takes no messages now.
    std::optional<DeliveryTrouble> trouble;
    Role role = Role::addressed;
};

/// "addressed", "alternative" or "none".
const char* nameOf(ReceiverTold::Role role);

struct DispatcherOptions {
    std::int64_t gather_ms = 200;        ///< alerts that arrive within this time go in one notification
    std::int64_t first_retry_ms = 1000;  ///< doubled with each failure
    std::int64_t most_retry_ms = 60'000;
    std::int64_t deadline_ms = 10'000;  ///< for one attempt
    /// Whether what an alert with these labels is about is accepted; null: nothing is. Safe from any thread.
    std::function<std::optional<Accepted>(const Labels&, TimestampMs now)> accepted = nullptr;
};

/// Delivers alerts to every receiver that its routes lead to, in groups: once for each change (begin, end)
/// and again after the repeat interval, retried with backoff until accepted. Silenced and inhibited alerts
/// are not sent, nor are alerts about something accepted. Delivery state is persisted, so a restart neither
/// loses nor repeats a notification. Each receiver has threads of its own: a hanging receiver delays neither
/// the others nor the callers of send(), and a group that it hangs at or refuses does not delay its other
/// groups. Safe from any thread.
class Dispatcher : public Notifier {
  public:
    Dispatcher(const Config& config, storage::Store& store, const DispatcherOptions& options = {});
    ~Dispatcher() override;
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    void start();
    /// Returns within the deadline of one attempt; undelivered notifications wait in the store.
    void stop();

    void send(std::vector<Alert> alerts) override;
    Suppression suppression(const Labels& alert, const std::vector<const Labels*>& firing) const override;
    std::vector<ReceiverStatus> status() const;
    /// Of the alert with this fingerprint (payload.h), by receiver.
    std::vector<ReceiverTold> told(const std::string& fingerprint) const;
    /// The metrics of docs/metrics.md, by receiver.
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;
    Silences& silences();
    /// Looks anew at what is muted. Call it after a change of what is accepted.
    void wake();
    /// The number of accepted heartbeats.
    std::uint64_t heartbeats() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

struct TestOutcome {
    std::string receiver;
    Delivered result;
};

/// `notify test`: sends a harmless alert (LapwingTest, firing and then resolved) to every receiver, at once
/// and without the queue.
std::vector<TestOutcome> sendTest(const Config& config);

}  // namespace lapwing::notify
