#include "collector/notify/receivers.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "collector/notify/payload.h"
#include "common/http/client.h"

namespace lapwing::notify {
namespace {

// Alertmanager forgets what it does not hear of again.
constexpr std::int64_t kAlertmanagerRepeatMs = 60'000;

/// FNV-1a in hexadecimal: tells receivers apart without keeping their URLs, which may be secrets.
std::string digest(const std::string& text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    std::array<char, 17> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%016llx", static_cast<unsigned long long>(hash));
    return buffer.data();
}

Expected<void> post(const std::string& url, const std::string& ca_file, const std::string& token_file,
                    std::string body, std::chrono::milliseconds deadline) {
    http::Request request;
    request.method = "POST";
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("User-Agent", "lapwing-collector");
    request.max_response_bytes = 64U << 10;
    if (!token_file.empty()) {
        const auto token = readSecret(token_file);
        if (!token) return tl::unexpected<Error>(token.error());
        request.headers.emplace_back("Authorization", "Bearer " + *token);
    }
    request.body = std::move(body);
    http::ClientTls tls;
    tls.ca_file = ca_file;
    const auto response = http::fetch(url, std::move(request), deadline, tls);
    if (!response) return tl::unexpected<Error>(response.error());
    if (response->status / 100 == 2) return {};
    return fail(ErrorKind::protocol, "answered HTTP " + std::to_string(response->status));
}

class WebhookReceiver : public Receiver {
  public:
    WebhookReceiver(WebhookConfig config, std::string external_url)
        : config_(std::move(config)), external_url_(std::move(external_url)) {}

    Expected<void> deliver(const Notification& notification, std::chrono::milliseconds deadline) override {
        return post(config_.url, config_.ca_file, config_.bearer_token_file,
                    webhookPayload(notification, name, external_url_), deadline);
    }

  private:
    WebhookConfig config_;
    std::string external_url_;
};

class AlertmanagerReceiver : public Receiver {
  public:
    explicit AlertmanagerReceiver(AlertmanagerConfig config) : config_(std::move(config)) {
        while (!config_.url.empty() && config_.url.back() == '/') config_.url.pop_back();
    }

    Expected<void> deliver(const Notification& notification, std::chrono::milliseconds deadline) override {
        return post(config_.url + "/api/v2/alerts", config_.ca_file, config_.bearer_token_file,
                    alertmanagerPayload(notification), deadline);
    }

  private:
    AlertmanagerConfig config_;
};

class EmailReceiver : public Receiver {
  public:
    EmailReceiver(EmailConfig config, std::string external_url)
        : config_(std::move(config)), external_url_(std::move(external_url)) {}

    Expected<void> deliver(const Notification& notification, std::chrono::milliseconds deadline) override {
        return sendMail(config_, mailSubject(notification), mailBody(notification, external_url_), deadline);
    }

  private:
    EmailConfig config_;
    std::string external_url_;
};

void add(std::vector<std::unique_ptr<Receiver>>& out, std::unique_ptr<Receiver> receiver,
         const std::string& kind, std::size_t index, const std::string& identity,
         DeliveryTable::Options table) {
    receiver->name = kind + "[" + std::to_string(index) + "]";
    receiver->state_name = "notify/" + kind + "/" + digest(identity);
    receiver->table = table;
    out.push_back(std::move(receiver));
}

}  // namespace

Expected<std::string> readSecret(const std::string& path) {
    std::ifstream in(path);
    if (!in.is_open()) {
        const auto kind = errno == EACCES ? ErrorKind::denied : ErrorKind::not_found;
        return fail(kind, "reading " + path + ": " + std::strerror(errno));
    }
    std::string line;
    std::getline(in, line);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) return fail(ErrorKind::invalid, "reading " + path + ": its first line is empty");
    return line;
}

std::vector<std::unique_ptr<Receiver>> makeReceivers(const Config& config) {
    std::vector<std::unique_ptr<Receiver>> out;
    for (std::size_t i = 0; i < config.webhook.size(); ++i) {
        const auto& webhook = config.webhook[i];
        add(out, std::make_unique<WebhookReceiver>(webhook, config.external_url), "webhook", i, webhook.url,
            {true, webhook.send_resolved, config.repeat_interval_ms, 0});
    }
    for (std::size_t i = 0; i < config.email.size(); ++i) {
        const auto& email = config.email[i];
        std::string identity = email.smtp;
        for (const auto& address : email.to) identity += " " + address;
        add(out, std::make_unique<EmailReceiver>(email, config.external_url), "email", i, identity,
            {true, email.send_resolved, config.repeat_interval_ms, 0});
    }
    for (std::size_t i = 0; i < config.alertmanager.size(); ++i) {
        const auto& alertmanager = config.alertmanager[i];
        add(out, std::make_unique<AlertmanagerReceiver>(alertmanager), "alertmanager", i, alertmanager.url,
            {false, true, kAlertmanagerRepeatMs, 0});
    }
    return out;
}

}  // namespace lapwing::notify
