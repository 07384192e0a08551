#include "collector/notify/chat_payload.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "collector/notify/payload.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::notify {
namespace {

constexpr std::size_t kMostAlerts = 20;
constexpr std::size_t kMostText = 500;
constexpr std::size_t kMostTeamsBytes = 28U << 10;

/// At most `most` bytes, without cutting a UTF-8 sequence in two.
std::string shortened(std::string_view text, std::size_t most) {
    return text.size() <= most ? std::string(text) : std::string(utf8Prefix(text, most)) + "...";
}

/// Escapes Slack's three control characters (https://api.slack.com/reference/surfaces/formatting#escaping),
/// and puts a zero-width space after characters that would make text bold, italic, struck or code.
std::string slackText(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else {
            out += c;
            if (c == '*' || c == '_' || c == '~' || c == '`') {
                out += "\xe2\x80\x8b";
            }
        }
    }
    return out;
}

/// Adaptive Cards interpret a part of Markdown; a backslash makes the next character literal.
std::string teamsText(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::string_view("\\*_[]()#`~<>|+-").find(c) != std::string_view::npos) {
            out += '\\';
        }
        out += c;
    }
    return out;
}

/// The text of one alert: "FIRING: summary", then the place and the next step.
struct Lines {
    std::string headline;
    std::vector<std::string> more;
};

Lines describe(const Alert& alert) {
    Lines out;
    const auto summary = alert.annotations.get("summary");
    out.headline = std::string(alert.firing ? "FIRING: " : "RESOLVED: ") +
                   shortened(summary.empty() ? alert.labels.get("alertname") : summary, kMostText);
    for (const char* name : {"description", "next_step"}) {
        const auto text = alert.annotations.get(name);
        if (!text.empty() && alert.firing) {
            out.more.push_back(shortened(text, kMostText));
        }
    }
    out.more.push_back((alert.firing ? "since " : "ended ") +
                       rfc3339Milliseconds(alert.firing ? alert.starts_at : alert.ends_at));
    return out;
}

/// One of the firing alerts is critical.
bool isCritical(const Notification& notification) {
    return std::any_of(notification.alerts.begin(), notification.alerts.end(), [](const Alert& alert) {
        return alert.firing && alert.labels.get("severity") == "critical";
    });
}

std::string omitted(const Notification& notification) {
    return "and " + std::to_string(notification.alerts.size() - kMostAlerts) + " more";
}

void textBlock(json::Writer& json, const std::string& text, const char* key, const char* value) {
    json.StartObject();
    json::put(json, "type", "TextBlock");
    json::put(json, "text", text);
    json::put(json, "wrap", true);
    json::put(json, key, value);
    json.EndObject();
}

std::string teamsCard(const Notification& notification, const std::string& external_url, std::size_t most) {
    json::Writer json;
    json.StartObject();
    json::put(json, "type", "message");
    json.Key("attachments");
    json.StartArray();
    json.StartObject();
    json::put(json, "contentType", "application/vnd.microsoft.card.adaptive");
    json.Key("content");
    json.StartObject();
    json::put(json, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    json::put(json, "type", "AdaptiveCard");
    json::put(json, "version", "1.4");
    json.Key("body");
    json.StartArray();
    json.StartObject();
    json::put(json, "type", "TextBlock");
    json::put(json, "text", teamsText(mailSubject(notification)));
    json::put(json, "weight", "Bolder");
    json::put(json, "size", "Large");
    json::put(json, "wrap", true);
    json::put(json, "color", notification.firing() ? "Attention" : "Good");
    json.EndObject();
    const auto count = std::min(most, notification.alerts.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto lines = describe(notification.alerts[i]);
        textBlock(json, teamsText(lines.headline), "weight", "Bolder");
        for (const auto& line : lines.more) {
            textBlock(json, teamsText(line), "spacing", "None");
        }
    }
    if (count < notification.alerts.size()) {
        textBlock(json, "and " + std::to_string(notification.alerts.size() - count) + " more", "size",
                  "Small");
    }
    json.EndArray();
    if (!external_url.empty()) {
        json.Key("actions");
        json.StartArray();
        json.StartObject();
        json::put(json, "type", "Action.OpenUrl");
        json::put(json, "title", "Lapwing");
        json::put(json, "url", messagePage(external_url, notification));
        json.EndObject();
        json.EndArray();
    }
    json.EndObject();
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return json.text();
}

}  // namespace

std::string plainText(const Notification& notification, std::size_t most) {
    std::string out;
    for (std::size_t i = 0; i < notification.alerts.size(); ++i) {
        const auto lines = describe(notification.alerts[i]);
        std::string block = (out.empty() ? "" : "\n") + lines.headline;
        for (const auto& line : lines.more) {
            block += "\n" + line;
        }
        const auto rest = "\nand " + std::to_string(notification.alerts.size() - i) + " more";
        if (i > 0 && out.size() + block.size() + rest.size() > most) {
            return out + rest;
        }
        out += block;
    }
    return shortened(out, most);
}

std::string slackPayload(const Notification& notification, const std::string& external_url) {
    std::string text;
    const auto count = std::min(kMostAlerts, notification.alerts.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto lines = describe(notification.alerts[i]);
        text += (text.empty() ? "*" : "\n*") + slackText(lines.headline) + "*";
        for (const auto& line : lines.more) {
            text += "\n" + slackText(line);
        }
        // The title links to a single alert. Percent-encoded addresses hold none of Slack's control
        // characters.
        if (count > 1 && !external_url.empty()) {
            text += "\n<" + alertPage(external_url, notification.alerts[i]) + "|page>";
        }
    }
    if (count < notification.alerts.size()) {
        text += "\n" + omitted(notification);
    }
    const std::string subject = mailSubject(notification);
    json::Writer json;
    json.StartObject();
    json.Key("attachments");
    json.StartArray();
    json.StartObject();
    json::put(json, "color", notification.firing() ? "danger" : "good");
    json::put(json, "fallback", slackText(subject));
    json::put(json, "title", slackText(subject));
    if (!external_url.empty()) {
        json::put(json, "title_link", messagePage(external_url, notification));
    }
    json::put(json, "text", text);
    json::put(json, "mrkdwn_in", std::array{"text"});
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return json.text();
}

std::string teamsPayload(const Notification& notification, const std::string& external_url) {
    std::size_t most = kMostAlerts;
    auto card = teamsCard(notification, external_url, most);
    while (card.size() > kMostTeamsBytes && most > 1) {
        card = teamsCard(notification, external_url, most /= 2);
    }
    return card;
}

std::string discordPayload(const Notification& notification, const std::string& external_url) {
    // Discord's limits are 256 and 4096 characters; its Markdown is that of Teams' cards.
    constexpr std::size_t most_title = 200;
    constexpr std::size_t most_text = 1800;
    constexpr int red = 0xd32f2f;
    constexpr int green = 0x388e3c;
    json::Writer json;
    json.StartObject();
    json.Key("allowed_mentions");
    json.StartObject();
    json::put(json, "parse", std::vector<std::string>());
    json.EndObject();
    json.Key("embeds");
    json.StartArray();
    json.StartObject();
    json::put(json, "title", shortened(mailSubject(notification), most_title));
    json::put(json, "description", teamsText(plainText(notification, most_text)));
    json::put(json, "color", notification.firing() ? red : green);
    if (!external_url.empty()) {
        json::put(json, "url", external_url);
    }
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return json.text();
}

std::string ntfyPayload(const Notification& notification, const std::string& topic,
                        const std::string& external_url) {
    // A longer message becomes an attachment.
    constexpr std::size_t most = 3500;
    const int priority = !notification.firing() ? 3 : isCritical(notification) ? 5 : 4;
    json::Writer json;
    json.StartObject();
    json::put(json, "topic", topic);
    json::put(json, "title", mailSubject(notification));
    json::put(json, "message", plainText(notification, most));
    json::put(json, "priority", priority);
    json::put(json, "tags", std::array{notification.firing() ? "rotating_light" : "white_check_mark"});
    if (!external_url.empty()) {
        json::put(json, "click", external_url);
    }
    json.EndObject();
    return json.text();
}

std::string telegramPayload(const Notification& notification, const std::string& chat,
                            const std::string& external_url) {
    // Telegram takes 4096 characters.
    constexpr std::size_t most = 3500;
    json::Writer json;
    json.StartObject();
    json::put(json, "chat_id", chat);
    json::put(json, "text",
              mailSubject(notification) + "\n\n" + plainText(notification, most) +
                  (external_url.empty() ? "" : "\n" + external_url));
    json::put(json, "disable_web_page_preview", true);
    json.EndObject();
    return json.text();
}

std::string pagerDutyPayload(const Notification& notification, const std::string& routing_key,
                             const std::string& external_url) {
    // PagerDuty takes 1024 characters of summary, and 512 KB in all.
    constexpr std::size_t most_summary = 1000;
    constexpr std::size_t most_text = 16U << 10U;
    const auto& named = notification.alone.empty() ? notification.group : notification.alone;
    const auto instance =
        notification.alerts.empty() ? std::string_view() : notification.alerts.front().labels.get("instance");
    json::Writer json;
    json.StartObject();
    json::put(json, "routing_key", routing_key);
    json::put(json, "event_action", notification.firing() ? "trigger" : "resolve");
    json::put(json, "dedup_key", sha256("lapwing " + named.toString()));
    json::put(json, "client", "Lapwing");
    if (!external_url.empty()) {
        json::put(json, "client_url", external_url);
    }
    json.Key("payload");
    json.StartObject();
    json::put(json, "summary", shortened(mailSubject(notification), most_summary));
    json::put(json, "source", instance.empty() ? "lapwing" : instance);
    json::put(json, "severity", isCritical(notification) ? "critical" : "warning");
    json.Key("custom_details");
    json.StartObject();
    json::put(json, "alerts", plainText(notification, most_text));
    json.EndObject();
    json.EndObject();
    json.EndObject();
    return json.text();
}

}  // namespace lapwing::notify
