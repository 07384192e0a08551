#include <cctype>

#include "collector/notify/dispatcher.h"
#include "common/config/reader.h"

namespace lapwing::notify {
namespace {

using config::Node;

void readUrl(const Node& owner, std::string& out) {
    const Node node = owner["url"];
    node.read(out);
    if (out.empty()) {
        owner.problem(owner.path() + " needs a url");
        return;
    }
    const bool scheme = out.rfind("http://", 0) == 0 || out.rfind("https://", 0) == 0;
    const auto host = scheme ? out.find("://") + 3 : 0;
    const auto authority = out.substr(host, out.find_first_of("/?#", host) - host);
    // The URL itself may be a secret: no message repeats it.
    if (!scheme || authority.empty()) node.problem(node.path() + " must be an http:// or https:// URL");
    if (authority.find('@') != std::string::npos) {
        node.problem(node.path() + " must not hold credentials; use bearer_token_file");
    }
}

void readWebhook(const Node& node, Config& out) {
    WebhookConfig webhook;
    node.allow({"url", "ca", "bearer_token_file", "send_resolved"});
    readUrl(node, webhook.url);
    node["ca"].read(webhook.ca_file);
    node["bearer_token_file"].read(webhook.bearer_token_file);
    node["send_resolved"].read(webhook.send_resolved);
    out.webhook.push_back(std::move(webhook));
}

void readAlertmanager(const Node& node, Config& out) {
    AlertmanagerConfig alertmanager;
    node.allow({"url", "ca", "bearer_token_file"});
    readUrl(node, alertmanager.url);
    node["ca"].read(alertmanager.ca_file);
    node["bearer_token_file"].read(alertmanager.bearer_token_file);
    out.alertmanager.push_back(std::move(alertmanager));
}

bool isAddress(const std::string& text) {
    const auto at = text.find('@');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) return false;
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c)) != 0 ||
            std::iscntrl(static_cast<unsigned char>(c)) != 0 || c == '<' || c == '>' || c == ',') {
            return false;
        }
    }
    return true;
}

bool isHostPort(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || text.size() - colon > 6) return false;
    const auto port = text.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string::npos) return false;
    const int number = std::stoi(port);
    return number > 0 && number < 65536;
}

void readEmail(const Node& node, Config& out) {
    EmailConfig email;
    node.allow({"to", "from", "smtp", "security", "ca", "username", "password_file", "send_resolved"});
    node["to"].read(email.to);
    if (email.to.empty()) node.problem(node.path() + " needs at least one address in \"to\"");
    for (const auto& address : email.to) {
        if (!isAddress(address))
            node["to"].problem(node.path() + ".to must hold addresses such as ops@example.org");
    }
    node["from"].read(email.from);
    if (!isAddress(email.from)) {
        (node["from"].present() ? node["from"] : node).problem(node.path() + " needs \"from\", an address");
    }
    node["smtp"].read(email.smtp);
    if (!isHostPort(email.smtp)) {
        (node["smtp"].present() ? node["smtp"] : node).problem(node.path() + " needs \"smtp\", as HOST:PORT");
    }
    std::string security = "none";
    node["security"].read(security);
    if (security == "starttls") {
        email.security = SmtpSecurity::starttls;
    } else if (security == "tls") {
        email.security = SmtpSecurity::tls;
    } else if (security != "none") {
        node["security"].problem(node.path() + ".security must be none, starttls or tls");
    }
    node["ca"].read(email.ca_file);
    node["username"].read(email.username);
    node["password_file"].read(email.password_file);
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
    node.allow({"webhook", "email", "alertmanager", "repeat_interval"});
    node["webhook"].forEach([&](const Node& entry) { readWebhook(entry, out); });
    node["email"].forEach([&](const Node& entry) { readEmail(entry, out); });
    node["alertmanager"].forEach([&](const Node& entry) { readAlertmanager(entry, out); });
    node["repeat_interval"].readDuration(out.repeat_interval_ms);
    if (out.repeat_interval_ms < 60'000) {
        node["repeat_interval"].problem(node["repeat_interval"].path() + " must be at least 1m");
    }
}

}  // namespace lapwing::notify
