#include "collector/notify/payload.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <optional>
#include <set>

namespace lapwing::notify {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::uint64_t kFnvOffset = 14695981039346656037U;
constexpr std::uint64_t kFnvPrime = 1099511628211U;

/// As Prometheus' model.LabelSet.Fingerprint: FNV-1a over names and values, each closed by 0xff.
std::string fingerprint(const Labels& labels) {
    std::uint64_t hash = kFnvOffset;
    const auto add = [&](const std::string& text) {
        for (const char c : text) {
            hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
        }
        hash = (hash ^ 0xffU) * kFnvPrime;
    };
    for (const auto& label : labels) {
        add(label.name);
        add(label.value);
    }
    std::array<char, 17> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%016llx", static_cast<unsigned long long>(hash));
    return buffer.data();
}

void member(JsonWriter& writer, const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void member(JsonWriter& writer, const char* key, const Labels& labels) {
    writer.Key(key);
    writer.StartObject();
    for (const auto& label : labels) {
        member(writer, label.name.c_str(), label.value);
    }
    writer.EndObject();
}

Labels common(const Notification& notification, Labels Alert::*which) {
    std::vector<Label> out;
    if (notification.alerts.empty()) {
        return {};
    }
    for (const auto& label : notification.alerts.front().*which) {
        const bool shared =
            std::all_of(notification.alerts.begin(), notification.alerts.end(),
                        [&](const Alert& alert) { return (alert.*which).get(label.name) == label.value; });
        if (shared) {
            out.push_back(label);
        }
    }
    return Labels(std::move(out));
}

const char* statusOf(bool firing) {
    return firing ? "firing" : "resolved";
}

std::string oneLine(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return text;
}

std::size_t firingCount(const Notification& notification) {
    return static_cast<std::size_t>(std::count_if(notification.alerts.begin(), notification.alerts.end(),
                                                  [](const Alert& alert) { return alert.firing; }));
}

}  // namespace

std::string formatTime(TimestampMs time) {
    const auto ms = static_cast<int>((time % 1000 + 1000) % 1000);
    const std::time_t seconds = (time - ms) / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> buffer{};
    const auto size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(buffer.data() + size, buffer.size() - size, ".%03dZ", ms);
    return buffer.data();
}

std::string webhookPayload(const Notification& notification, const std::string& receiver,
                           const std::string& external_url) {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartObject();
    member(writer, "receiver", receiver);
    member(writer, "status", std::string(statusOf(notification.firing())));
    writer.Key("alerts");
    writer.StartArray();
    for (const auto& alert : notification.alerts) {
        writer.StartObject();
        member(writer, "status", std::string(statusOf(alert.firing)));
        member(writer, "labels", alert.labels);
        member(writer, "annotations", alert.annotations);
        member(writer, "startsAt", formatTime(alert.starts_at));
        member(writer, "endsAt",
               alert.firing ? std::string("0001-01-01T00:00:00Z") : formatTime(alert.ends_at));
        member(writer, "generatorURL", alert.generator_url);
        member(writer, "fingerprint", fingerprint(alert.labels));
        writer.EndObject();
    }
    writer.EndArray();
    member(writer, "groupLabels", notification.group);
    member(writer, "commonLabels", common(notification, &Alert::labels));
    member(writer, "commonAnnotations", common(notification, &Alert::annotations));
    member(writer, "externalURL", external_url);
    member(writer, "version", std::string("4"));
    member(writer, "groupKey", "{}:" + notification.group.toString());
    writer.Key("truncatedAlerts");
    writer.Int(0);
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

std::string alertmanagerPayload(const Notification& notification) {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartArray();
    for (const auto& alert : notification.alerts) {
        writer.StartObject();
        member(writer, "labels", alert.labels);
        member(writer, "annotations", alert.annotations);
        member(writer, "startsAt", formatTime(alert.starts_at));
        member(writer, "endsAt", formatTime(alert.ends_at));
        member(writer, "generatorURL", alert.generator_url);
        writer.EndObject();
    }
    writer.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
}

std::string mailSubject(const Notification& notification) {
    const auto firing = firingCount(notification);
    std::string out = firing > 0 ? "[FIRING:" + std::to_string(firing) + "]" : "[RESOLVED]";
    std::set<std::string> names;
    for (const auto& alert : notification.alerts) {
        names.insert(std::string(alert.labels.get("alertname")));
    }
    for (auto name = names.begin(); name != names.end(); ++name) {
        out += (name == names.begin() ? " " : ", ") + *name;
    }
    std::set<std::string> instances;
    for (const auto& alert : notification.alerts) {
        instances.insert(std::string(alert.labels.get("instance")));
    }
    instances.erase("");
    std::string list;
    for (const auto& instance : instances) {
        list += (list.empty() ? "" : ", ") + instance;
    }
    if (!list.empty()) {
        out += " (" + list + ")";
    }
    return oneLine(out.substr(0, 200));
}

std::string mailBody(const Notification& notification, const std::string& external_url) {
    std::string out;
    for (const auto& alert : notification.alerts) {
        const auto summary = alert.annotations.get("summary");
        out += alert.firing ? "FIRING: " : "RESOLVED: ";
        out += summary.empty() ? std::string(alert.labels.get("alertname")) : std::string(summary);
        out += "\nsince " + formatTime(alert.starts_at);
        if (!alert.firing) {
            out += ", ended " + formatTime(alert.ends_at);
        }
        out += "\n\n";
        for (const auto& annotation : alert.annotations) {
            if (annotation.name != "summary") {
                out += annotation.name + ": " + annotation.value + "\n";
            }
        }
        out += "labels: " + alert.labels.toString() + "\n\n";
    }
    if (!external_url.empty()) {
        out += external_url + "\n";
    }
    return out;
}

}  // namespace lapwing::notify
