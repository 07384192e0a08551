#include "collector/notify/chat_payload.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <string_view>

#include "collector/notify/payload.h"

namespace lapwing::notify {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::size_t kMostAlerts = 20;
constexpr std::size_t kMostText = 500;
constexpr std::size_t kMostTeamsBytes = 28U << 10;

void member(JsonWriter& json, const char* key, const std::string& value) {
    json.Key(key);
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

/// At most `most` bytes, no UTF-8 sequence cut in two.
std::string shortened(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return std::string(text);
    }
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) {
        --most;
    }
    return std::string(text.substr(0, most)) + "...";
}

/// Slack's three control characters (https://api.slack.com/reference/surfaces/formatting#escaping); and what
/// would make text bold, italic, struck or code is parted by a zero-width space.
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

/// Adaptive Cards read a part of Markdown; a backslash takes a character for itself.
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

/// What is said of one alert: "FIRING: summary", then where and what to do.
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
                       formatTime(alert.firing ? alert.starts_at : alert.ends_at));
    return out;
}

std::string omitted(const Notification& notification) {
    return "and " + std::to_string(notification.alerts.size() - kMostAlerts) + " more";
}

void textBlock(JsonWriter& json, const std::string& text, const char* key, const char* value) {
    json.StartObject();
    member(json, "type", "TextBlock");
    member(json, "text", text);
    json.Key("wrap");
    json.Bool(true);
    member(json, key, value);
    json.EndObject();
}

std::string teamsCard(const Notification& notification, const std::string& external_url, std::size_t most) {
    rapidjson::StringBuffer buffer;
    JsonWriter json(buffer);
    json.StartObject();
    member(json, "type", "message");
    json.Key("attachments");
    json.StartArray();
    json.StartObject();
    member(json, "contentType", "application/vnd.microsoft.card.adaptive");
    json.Key("content");
    json.StartObject();
    member(json, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    member(json, "type", "AdaptiveCard");
    member(json, "version", "1.4");
    json.Key("body");
    json.StartArray();
    json.StartObject();
    member(json, "type", "TextBlock");
    member(json, "text", teamsText(mailSubject(notification)));
    member(json, "weight", "Bolder");
    member(json, "size", "Large");
    json.Key("wrap");
    json.Bool(true);
    member(json, "color", notification.firing() ? "Attention" : "Good");
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
        member(json, "type", "Action.OpenUrl");
        member(json, "title", "Lapwing");
        member(json, "url", external_url);
        json.EndObject();
        json.EndArray();
    }
    json.EndObject();
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace

std::string slackPayload(const Notification& notification, const std::string& external_url) {
    std::string text;
    const auto count = std::min(kMostAlerts, notification.alerts.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto lines = describe(notification.alerts[i]);
        text += (text.empty() ? "*" : "\n*") + slackText(lines.headline) + "*";
        for (const auto& line : lines.more) {
            text += "\n" + slackText(line);
        }
    }
    if (count < notification.alerts.size()) {
        text += "\n" + omitted(notification);
    }
    const std::string subject = mailSubject(notification);
    rapidjson::StringBuffer buffer;
    JsonWriter json(buffer);
    json.StartObject();
    json.Key("attachments");
    json.StartArray();
    json.StartObject();
    member(json, "color", notification.firing() ? "danger" : "good");
    member(json, "fallback", slackText(subject));
    member(json, "title", slackText(subject));
    if (!external_url.empty()) {
        member(json, "title_link", external_url);
    }
    member(json, "text", text);
    json.Key("mrkdwn_in");
    json.StartArray();
    json.String("text");
    json.EndArray();
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

std::string teamsPayload(const Notification& notification, const std::string& external_url) {
    std::size_t most = kMostAlerts;
    auto card = teamsCard(notification, external_url, most);
    while (card.size() > kMostTeamsBytes && most > 1) {
        card = teamsCard(notification, external_url, most /= 2);
    }
    return card;
}

}  // namespace lapwing::notify
