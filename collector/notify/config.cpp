#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>

#include "collector/notify/dispatcher.h"
#include "collector/notify/http_delivery.h"
#include "collector/notify/matchers.h"
#include "collector/notify/routes.h"
#include "common/config/reader.h"
#include "common/endpoint.h"
#include "common/files.h"
#include "common/text.h"

namespace lapwing::notify {
namespace {

using config::Node;

/// Of the Events API v2 (https://developer.pagerduty.com/docs/send-alert-event).
constexpr const char* kPagerDutyUrl = "https://events.pagerduty.com/v2/enqueue";

void readSecretFile(const Node& node, std::string& out) {
    node.read(out);
    if (out.empty()) {
        return;
    }
    if (const auto secret = readSecret(out); !secret) {
        node.problem(node.path() + ": " + secret.error().message);
    }
}

void readUrl(const Node& owner, std::string& out) {
    const Node node = owner["url"];
    node.read(out);
    if (out.empty()) {
        owner.problem(owner.path() + " needs a url");
        return;
    }
    // The URL itself may be a secret, so no message repeats it.
    if (const auto usable = checkUrl(out); !usable) {
        node.problem(node.path() + " " + usable.error().message);
    }
}

/// `url`, or `url_file` if the URL is a secret.
void readUrlOrFile(const Node& owner, std::string& url, std::string& url_file) {
    if (!owner["url_file"].present()) {
        return readUrl(owner, url);
    }
    readSecretFile(owner["url_file"], url_file);
    if (owner["url"].present()) {
        owner["url"].problem(owner.path() + " has both url and url_file");
    }
}

void readToken(const Node& owner, const std::string& url, std::string& out) {
    const Node node = owner["bearer_token_file"];
    readSecretFile(node, out);
    if (!out.empty() && sendsInClear(url)) {
        node.problem(owner.path() + " would send the token in clear: use https, or a loopback address");
    }
}

/// A name without a space is easy to type, and cannot be taken for "webhook[0]".
void readName(const Node& node, std::string& out) {
    constexpr std::size_t most = 64;
    node.read(out);
    const bool usable = std::all_of(out.begin(), out.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    });
    if (node.present() && (out.empty() || out.size() > most || !usable)) {
        node.problem(node.path() + " must have 1 to 64 of the signs A-Z a-z 0-9 . _ -");
    }
}

void readHeaders(const Node& node, std::map<std::string, std::string>& out) {
    constexpr std::array<std::string_view, 7> ours = {
        "authorization", "connection", "content-length", "host", "user-agent", "expect", "transfer-encoding"};
    node.forEachPair([&](const std::string& name, const Node& entry) {
        std::string value;
        entry.read(value);
        const bool usable = std::all_of(name.begin(), name.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
        const bool plain =
            std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
        if (name.empty() || !usable || !plain) {
            entry.problem(entry.path() + " is not a header that HTTP allows");
        } else if (std::any_of(ours.begin(), ours.end(),
                               [&](auto each) { return equalsIgnoreCase(name, each); })) {
            entry.problem(entry.path() +
                          " is set by the collector itself; a token goes into bearer_token_file");
        } else {
            out[name] = value;
        }
    });
}

/// `body` or `body_file` with the headers that belong to it.
void readBody(const Node& node, WebhookConfig& webhook) {
    const bool wanted = webhook.format == WebhookFormat::templated;
    for (const char* key : {"method", "headers", "header_files", "body", "body_file"}) {
        if (!wanted && node[key].present()) {
            node[key].problem(node[key].path() + " belongs to format: template");
        }
    }
    if (!wanted) {
        return;
    }
    node["method"].readOneOf(webhook.method, {{"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}});
    readHeaders(node["headers"], webhook.headers);
    readHeaders(node["header_files"], webhook.header_files);
    for (const auto& [name, file] : webhook.header_files) {
        const Node entry = node["header_files"][name];
        if (const auto secret = readSecret(file); !secret) {
            entry.problem(entry.path() + ": " + secret.error().message);
        }
        if (sendsInClear(webhook.url)) {
            entry.problem(entry.path() + " would send the secret in clear: use https, or a loopback address");
        }
    }
    const Node place = node[node["body_file"].present() ? "body_file" : "body"];
    std::string text;
    place.read(text);
    if (node["body"].present() == node["body_file"].present() || text.empty()) {
        node.problem(node.path() + " needs either body, a template, or body_file, a file with one");
        return;
    }
    if (node["body_file"].present()) {
        webhook.body_file = text;
        auto content = files::readFile(text, BodyTemplate::kMostText + 1);
        if (!content) {
            place.problem(place.path() + ": " + content.error().message);
            return;
        }
        text = std::move(*content);
    }
    const auto type = std::find_if(webhook.headers.begin(), webhook.headers.end(),
                                   [](const auto& header) { return isContentType(header.first); });
    const bool json = type == webhook.headers.end() || type->second.find("json") != std::string::npos;
    auto body = BodyTemplate::parse(text, json);
    if (const auto fine = body ? body->tryOut(webhook.name) : tl::unexpected(body.error()); !fine) {
        place.problem(place.path() + ": " + fine.error().message);
        return;
    }
    webhook.body = std::move(*body);
}

void readWebhook(const Node& node, Config& out) {
    WebhookConfig webhook;
    readName(node["name"], webhook.name);
    node.allow({"name", "url", "url_file", "format", "ca", "bearer_token_file", "send_resolved", "chat",
                "routing_key_file", "method", "headers", "header_files", "body", "body_file"});
    node["format"].readOneOf(webhook.format, {{"alertmanager", WebhookFormat::alertmanager},
                                              {"slack", WebhookFormat::slack},
                                              {"teams", WebhookFormat::teams},
                                              {"discord", WebhookFormat::discord},
                                              {"ntfy", WebhookFormat::ntfy},
                                              {"telegram", WebhookFormat::telegram},
                                              {"pagerduty", WebhookFormat::pagerduty},
                                              {"template", WebhookFormat::templated}});
    const bool pagerduty = webhook.format == WebhookFormat::pagerduty;
    if (pagerduty && !node["url"].present() && !node["url_file"].present()) {
        webhook.url = kPagerDutyUrl;
    } else {
        readUrlOrFile(node, webhook.url, webhook.url_file);
    }
    node["chat"].read(webhook.chat);
    if (webhook.chat.empty() == (webhook.format == WebhookFormat::telegram)) {
        node.problem(node.path() + (webhook.chat.empty() ? " needs `chat`, the id of the Telegram chat"
                                                         : ": `chat` belongs to format: telegram"));
    }
    readSecretFile(node["routing_key_file"], webhook.routing_key_file);
    if (webhook.routing_key_file.empty() == pagerduty) {
        node.problem(node.path() +
                     (pagerduty ? " needs routing_key_file, a file with the integration key of PagerDuty"
                                : ": routing_key_file belongs to format: pagerduty"));
    }
    if (pagerduty && sendsInClear(webhook.url)) {
        node.problem(node.path() + " would send the key in clear: use https, or a loopback address");
    }
    readBody(node, webhook);
    node["ca"].read(webhook.ca_file);
    readToken(node, webhook.url, webhook.bearer_token_file);
    node["send_resolved"].read(webhook.send_resolved);
    out.webhook.push_back(std::move(webhook));
}

void readAlertmanager(const Node& node, Config& out) {
    AlertmanagerConfig alertmanager;
    readName(node["name"], alertmanager.name);
    node.allow({"name", "url", "ca", "bearer_token_file"});
    readUrl(node, alertmanager.url);
    node["ca"].read(alertmanager.ca_file);
    readToken(node, alertmanager.url, alertmanager.bearer_token_file);
    out.alertmanager.push_back(std::move(alertmanager));
}

void readHeartbeat(const Node& node, Config& out) {
    if (!node.present()) {
        return;
    }
    HeartbeatConfig heartbeat;
    node.allow({"url", "url_file", "ca", "method", "interval"});
    readUrlOrFile(node, heartbeat.url, heartbeat.url_file);
    node["ca"].read(heartbeat.ca_file);
    node["method"].readOneOf(heartbeat.method, {{"GET", "GET"}, {"POST", "POST"}});
    node["interval"].readDuration(heartbeat.interval_ms);
    if (heartbeat.interval_ms < 1000) {
        node["interval"].problem(node.path() + ".interval must be at least 1s");
    }
    out.heartbeat = std::move(heartbeat);
}

void readGroupBy(const Node& node, Config& out) {
    if (!node.present()) {
        return;
    }
    node.read(out.group_by);
    out.group_by_all = out.group_by == std::vector<std::string>{"..."};
    if (out.group_by_all) {
        out.group_by.clear();
    }
    for (const auto& name : out.group_by) {
        if (name.empty() || !isValidUtf8(name)) {
            node.problem(node.path() + " must hold names of labels, or be [\"...\"]: every alert by itself");
        }
    }
}

void judgeNames(const Node& node, const Config& config) {
    auto names = receiverNames(config);
    std::sort(names.begin(), names.end());
    for (auto at = names.begin(); (at = std::adjacent_find(at, names.end())) != names.end(); ++at) {
        node.problem(node.path() + ": two receivers have the name " + *at);
    }
}

void readInhibit(const Node& node, Config& out) {
    if (!node.present()) {
        return;
    }
    out.inhibit.clear();
    node.forEach([&](const Node& entry) {
        InhibitRule rule;
        entry.allow({"source", "target", "equal"});
        rule.source = readMatcherList(entry, "source");
        rule.target = readMatcherList(entry, "target");
        entry["equal"].read(rule.equal);
        out.inhibit.push_back(std::move(rule));
    });
}

bool isAddress(const std::string& text) {
    const auto at = text.find('@');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
        return false;
    }
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c)) != 0 ||
            std::iscntrl(static_cast<unsigned char>(c)) != 0 || c == '<' || c == '>' || c == ',') {
            return false;
        }
    }
    return true;
}

bool isServer(const std::string& text) {
    const auto endpoint = Endpoint::parse(text);
    return endpoint && !endpoint->host.empty() && endpoint->host != "*" && endpoint->port != 0;
}

void readEmail(const Node& node, Config& out) {
    EmailConfig email;
    readName(node["name"], email.name);
    node.allow(
        {"name", "to", "from", "smtp", "security", "ca", "username", "password_file", "send_resolved"});
    node["to"].read(email.to);
    if (email.to.empty()) {
        node.problem(node.path() + " needs at least one address in \"to\"");
    }
    for (const auto& address : email.to) {
        if (!isAddress(address)) {
            node["to"].problem(node.path() + ".to must hold addresses such as ops@example.org");
        }
    }
    node["from"].read(email.from);
    if (!isAddress(email.from)) {
        (node["from"].present() ? node["from"] : node).problem(node.path() + " needs \"from\", an address");
    }
    node["smtp"].read(email.smtp);
    if (!isServer(email.smtp)) {
        (node["smtp"].present() ? node["smtp"] : node).problem(node.path() + " needs \"smtp\", as HOST:PORT");
    }
    node["security"].readOneOf(
        email.security,
        {{"none", SmtpSecurity::none}, {"starttls", SmtpSecurity::starttls}, {"tls", SmtpSecurity::tls}});
    node["ca"].read(email.ca_file);
    node["username"].read(email.username);
    readSecretFile(node["password_file"], email.password_file);
    node["send_resolved"].read(email.send_resolved);
    if (email.username.empty() != email.password_file.empty()) {
        node.problem(node.path() + " needs both username and password_file to log in");
    }
    if (!email.username.empty() && email.security == SmtpSecurity::none) {
        node["username"].problem(node.path() +
                                 " would send the password in clear: set security to starttls or tls");
    }
    out.email.push_back(std::move(email));
}

}  // namespace

void readConfig(const Node& node, Config& out) {
    node.allow({"webhook", "email", "alertmanager", "heartbeat", "group_by", "group_wait", "group_interval",
                "repeat_interval", "inhibit", "routes"});
    node["webhook"].forEach([&](const Node& entry) { readWebhook(entry, out); });
    node["email"].forEach([&](const Node& entry) { readEmail(entry, out); });
    node["alertmanager"].forEach([&](const Node& entry) { readAlertmanager(entry, out); });
    judgeNames(node, out);
    readRoutes(node["routes"], out);
    readHeartbeat(node["heartbeat"], out);
    readGroupBy(node["group_by"], out);
    readInhibit(node["inhibit"], out);
    node["group_wait"].readDuration(out.group_wait_ms);
    node["group_interval"].readDuration(out.group_interval_ms);
    node["repeat_interval"].readDuration(out.repeat_interval_ms);
    if (out.repeat_interval_ms < 60'000) {
        node["repeat_interval"].problem(node["repeat_interval"].path() + " must be at least 1m");
    }
}

}  // namespace lapwing::notify
