#include "collector/notify/payload.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <set>
#include <string_view>

#include "collector/notify/commands.h"
#include "common/digest.h"
#include "common/model/labels_json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::notify {
namespace {

constexpr std::size_t kMostSubject = 200;

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

/// An annotation that the collector has added, and whose text another annotation holds, too (`title` within
/// `summary`).
bool isRepeated(const Labels& annotations, const Label& annotation) {
    constexpr std::array<std::string_view, 4> added_names{"title", "evidence", "remedy", "cause"};
    const bool added =
        std::find(added_names.begin(), added_names.end(), annotation.name) != added_names.end();
    return added && std::any_of(annotations.begin(), annotations.end(), [&](const Label& other) {
               return other.value.size() > annotation.value.size() &&
                      other.value.find(annotation.value) != std::string::npos;
           });
}

std::size_t firingCount(const Notification& notification) {
    return static_cast<std::size_t>(std::count_if(notification.alerts.begin(), notification.alerts.end(),
                                                  [](const Alert& alert) { return alert.firing; }));
}

}  // namespace

/// Prometheus' model.LabelSet.Fingerprint: FNV-1a over names and values, each terminated by 0xff.
std::string fingerprint(const Labels& labels) {
    auto hash = fnv1a("");
    for (const auto& label : labels) {
        hash = fnv1a("\xff", fnv1a(label.value, fnv1a("\xff", fnv1a(label.name, hash))));
    }
    std::array<char, 17> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%016llx", static_cast<unsigned long long>(hash));
    return buffer.data();
}

std::string alertPage(const std::string& external_url, const Alert& alert) {
    if (external_url.empty()) {
        return "";
    }
    return external_url + "/alert?name=" + percentEncode(alert.labels.get("alertname")) +
           "&fingerprint=" + fingerprint(alert.labels);
}

std::string messagePage(const std::string& external_url, const Notification& notification) {
    return notification.alerts.size() == 1 ? alertPage(external_url, notification.alerts.front())
                                           : external_url;
}

Labels commonLabels(const Notification& notification) {
    return common(notification, &Alert::labels);
}

Labels commonAnnotations(const Notification& notification) {
    return common(notification, &Alert::annotations);
}

std::string webhookPayload(const Notification& notification, const std::string& receiver,
                           const std::string& external_url) {
    json::Writer writer;
    writer.StartObject();
    json::put(writer, "receiver", receiver);
    json::put(writer, "status", statusOf(notification.firing()));
    writer.Key("alerts");
    writer.StartArray();
    for (const auto& alert : notification.alerts) {
        writer.StartObject();
        json::put(writer, "status", statusOf(alert.firing));
        json::putLabels(writer, "labels", alert.labels);
        json::putLabels(writer, "annotations", alert.annotations);
        json::put(writer, "startsAt", rfc3339Milliseconds(alert.starts_at));
        json::put(writer, "endsAt",
                  alert.firing ? std::string("0001-01-01T00:00:00Z") : rfc3339Milliseconds(alert.ends_at));
        json::put(writer, "generatorURL", alert.generator_url);
        json::put(writer, "fingerprint", fingerprint(alert.labels));
        writer.EndObject();
    }
    writer.EndArray();
    json::putLabels(writer, "groupLabels", notification.group);
    json::putLabels(writer, "commonLabels", commonLabels(notification));
    json::putLabels(writer, "commonAnnotations", commonAnnotations(notification));
    json::put(writer, "externalURL", external_url);
    json::put(writer, "version", "4");
    json::put(writer, "groupKey", "{}:" + notification.group.toString());
    json::put(writer, "truncatedAlerts", 0);
    writer.EndObject();
    return writer.text();
}

std::string alertmanagerPayload(const Notification& notification) {
    json::Writer writer;
    writer.StartArray();
    for (const auto& alert : notification.alerts) {
        writer.StartObject();
        json::putLabels(writer, "labels", alert.labels);
        json::putLabels(writer, "annotations", alert.annotations);
        json::put(writer, "startsAt", rfc3339Milliseconds(alert.starts_at));
        json::put(writer, "endsAt", rfc3339Milliseconds(alert.ends_at));
        json::put(writer, "generatorURL", alert.generator_url);
        writer.EndObject();
    }
    writer.EndArray();
    return writer.text();
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
    const auto titled = std::find_if(notification.alerts.begin(), notification.alerts.end(),
                                     [](const Alert& alert) { return alert.annotations.has("title"); });
    if (titled != notification.alerts.end()) {
        out += ": " + std::string(titled->annotations.get("title"));
        const auto others = notification.alerts.size() - 1;
        out += others == 0 ? "" : " (and " + std::to_string(others) + " more)";
    }
    return printable(std::string(utf8Prefix(out, kMostSubject)));
}

std::string mailBody(const Notification& notification, const std::string& external_url) {
    std::string out;
    for (const auto& alert : notification.alerts) {
        const auto summary = alert.annotations.get("summary");
        out += alert.firing ? "FIRING: " : "RESOLVED: ";
        out += summary.empty() ? std::string(alert.labels.get("alertname")) : std::string(summary);
        out += "\nsince " + rfc3339Milliseconds(alert.starts_at);
        if (!alert.firing) {
            out += ", ended " + rfc3339Milliseconds(alert.ends_at);
        }
        out += "\n\n";
        for (const auto& annotation : alert.annotations) {
            if (annotation.name != "summary" && !isRepeated(alert.annotations, annotation)) {
                out += annotation.name + ": " + annotation.value + "\n";
            }
        }
        out += "labels: " + alert.labels.toString() + "\n";
        const auto page = alertPage(external_url, alert);
        out += page.empty() ? "" : "page: " + page + "\n";
        if (const auto command = silenceCommand(alert.labels); alert.firing && !command.empty()) {
            out += "to silence it, on the collector's machine: " + command + "\n";
        }
        if (const auto command = acceptCommand(alert.labels); alert.firing && !command.empty()) {
            out += "to let it stand: " + command + "\n";
        }
        out += "\n";
    }
    if (!external_url.empty()) {
        out += external_url + "\n";
    }
    return out;
}

}  // namespace lapwing::notify
