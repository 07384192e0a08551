#include "collector/notify/receivers.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include "collector/notify/chat_payload.h"
#include "collector/notify/http_delivery.h"
#include "collector/notify/payload.h"
#include "common/digest.h"

namespace lapwing::notify {
namespace {

// Alertmanager drops alerts that are not repeated.
constexpr std::int64_t kAlertmanagerRepeatMs = 60'000;

/// FNV-1a in hexadecimal: distinguishes receivers without storing their URLs, which may be secrets.
std::string digest(const std::string& text) {
    std::array<char, 17> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%016llx", static_cast<unsigned long long>(fnv1a(text)));
    return buffer.data();
}

class WebhookReceiver : public Receiver {
  public:
    WebhookReceiver(const WebhookConfig& config, std::string external_url)
        : target_{config.url, config.url_file, config.ca_file, config.bearer_token_file,
                  "",         config.method,   config.headers, config.header_files},
          format_(config.format),
          chat_(config.chat),
          body_(config.body),
          key_file_(config.routing_key_file),
          external_url_(std::move(external_url)) {}

    Delivered deliver(const Notification& notification, std::chrono::milliseconds deadline) const override {
        if (format_ == WebhookFormat::ntfy) {
            return deliverToNtfy(notification, deadline);
        }
        if (format_ == WebhookFormat::pagerduty) {
            const auto key = readSecret(key_file_);
            return key ? postJson(target_, pagerDutyPayload(notification, *key, external_url_), deadline)
                       : tl::unexpected(
                             DeliveryFailure{DeliveryFailure::Kind::unreached, key.error().message, {}});
        }
        if (format_ == WebhookFormat::templated && body_) {
            auto body = body_->render(notification, name, external_url_);
            return body ? postJson(target_, std::move(*body), deadline)
                        : tl::unexpected(
                              DeliveryFailure{DeliveryFailure::Kind::refused, body.error().message, {}});
        }
        return postJson(target_, payload(notification), deadline);
    }

  private:
    /// ntfy takes JSON at its root alone, with the topic, which is the last part of the URL, in it.
    Delivered deliverToNtfy(const Notification& notification, std::chrono::milliseconds deadline) const {
        auto target = target_;
        if (!target.url_file.empty()) {
            auto url = readSecret(target.url_file);
            if (!url) {
                return tl::unexpected(
                    DeliveryFailure{DeliveryFailure::Kind::unreached, url.error().message, {}});
            }
            target.url = std::move(*url);
            target.url_file.clear();
        }
        const auto slash = target.url.rfind('/');
        const auto topic = target.url.substr(slash + 1);
        target.url.resize(slash + 1);
        return postJson(target, ntfyPayload(notification, topic, external_url_), deadline);
    }

    std::string payload(const Notification& notification) const {
        switch (format_) {
            case WebhookFormat::slack:
                return slackPayload(notification, external_url_);
            case WebhookFormat::teams:
                return teamsPayload(notification, external_url_);
            case WebhookFormat::discord:
                return discordPayload(notification, external_url_);
            case WebhookFormat::telegram:
                return telegramPayload(notification, chat_, external_url_);
            case WebhookFormat::alertmanager:
            case WebhookFormat::ntfy:
            case WebhookFormat::pagerduty:
            case WebhookFormat::templated:
                break;
        }
        return webhookPayload(notification, name, external_url_);
    }

    HttpTarget target_;
    WebhookFormat format_;
    std::string chat_;
    std::optional<BodyTemplate> body_;
    std::string key_file_;
    std::string external_url_;
};

class AlertmanagerReceiver : public Receiver {
  public:
    explicit AlertmanagerReceiver(const AlertmanagerConfig& config)
        : target_{config.url, "", config.ca_file, config.bearer_token_file, "/api/v2/alerts"} {
        while (!target_.url.empty() && target_.url.back() == '/') {
            target_.url.pop_back();
        }
        mutes = false;
    }

    Delivered deliver(const Notification& notification, std::chrono::milliseconds deadline) const override {
        return postJson(target_, alertmanagerPayload(notification), deadline);
    }

  private:
    HttpTarget target_;
};

/// One address: its server may take the mail for one address and refuse it for another.
class EmailReceiver : public Receiver {
  public:
    EmailReceiver(EmailConfig config, std::string to, std::string external_url)
        : config_(std::move(config)), to_(std::move(to)), external_url_(std::move(external_url)) {}

    Delivered deliver(const Notification& notification, std::chrono::milliseconds deadline) const override {
        return sendMail(config_, to_, mailSubject(notification), mailBody(notification, external_url_),
                        deadline);
    }

  private:
    EmailConfig config_;
    std::string to_;
    std::string external_url_;
};

std::string nameOf(const std::string& name, const char* kind, std::size_t index) {
    return name.empty() ? std::string(kind) + "[" + std::to_string(index) + "]" : name;
}

void add(std::vector<std::unique_ptr<Receiver>>& out, std::unique_ptr<Receiver> receiver, const char* kind,
         std::string name, const std::string& identity, const DeliveryTable::Options& table) {
    receiver->state_name = std::string("notify/") + kind + "/" + digest(identity);
    // Two receivers at one address, such as two teams of one service, have a state each.
    if (std::any_of(out.begin(), out.end(),
                    [&](const auto& other) { return other->state_name == receiver->state_name; })) {
        receiver->state_name += "/" + digest(name);
    }
    receiver->name = name;
    receiver->route_name = std::move(name);
    receiver->table = table;
    out.push_back(std::move(receiver));
}

}  // namespace

std::vector<std::string> receiverNames(const Config& config) {
    std::vector<std::string> out;
    const auto take = [&](const auto& receivers, const char* kind) {
        for (std::size_t i = 0; i < receivers.size(); ++i) {
            out.push_back(nameOf(receivers[i].name, kind, i));
        }
    };
    take(config.webhook, "webhook");
    take(config.email, "email");
    take(config.alertmanager, "alertmanager");
    return out;
}

std::vector<std::unique_ptr<Receiver>> makeReceivers(const Config& config) {
    std::vector<std::unique_ptr<Receiver>> out;
    DeliveryTable::Options table;
    table.group_by = config.group_by;
    table.group_by_all = config.group_by_all;
    table.group_wait_ms = config.group_wait_ms;
    table.group_interval_ms = config.group_interval_ms;
    table.repeat_ms = config.repeat_interval_ms;
    for (std::size_t i = 0; i < config.webhook.size(); ++i) {
        const auto& webhook = config.webhook[i];
        table.send_resolved = webhook.send_resolved;
        // An incident has one key from its beginning to its end, which a group that is split would change.
        table.group_by_all = config.group_by_all || webhook.format == WebhookFormat::pagerduty;
        add(out, std::make_unique<WebhookReceiver>(webhook, config.external_url), "webhook",
            nameOf(webhook.name, "webhook", i),
            (webhook.url_file.empty() ? webhook.url : "file:" + webhook.url_file) + webhook.chat +
                webhook.routing_key_file,
            table);
    }
    table.group_by_all = config.group_by_all;
    for (std::size_t i = 0; i < config.email.size(); ++i) {
        const auto& email = config.email[i];
        table.send_resolved = email.send_resolved;
        for (const auto& to : email.to) {
            add(out, std::make_unique<EmailReceiver>(email, to, config.external_url), "email",
                nameOf(email.name, "email", i), email.smtp + " " + to, table);
            if (email.to.size() > 1) {
                out.back()->name += " " + to;
            }
        }
    }
    for (std::size_t i = 0; i < config.alertmanager.size(); ++i) {
        DeliveryTable::Options all_at_once;
        all_at_once.group_by.clear();
        all_at_once.repeat_ms = kAlertmanagerRepeatMs;
        add(out, std::make_unique<AlertmanagerReceiver>(config.alertmanager[i]), "alertmanager",
            nameOf(config.alertmanager[i].name, "alertmanager", i), config.alertmanager[i].url, all_at_once);
    }
    return out;
}

}  // namespace lapwing::notify
