#include <fmt/core.h>

#include <map>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/command/terminal.h"
#include "collector/notify/payload.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/model/labels_json.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using json::Value;

/// Who silences until when and why, by the silence's id. Empty where the collector does not tell: silences
/// are for the administrators' socket.
std::map<std::string, std::string> silencesOf(const Collector& collector, TimestampMs now) {
    std::map<std::string, std::string> out;
    const auto answer = collector.get("/api/v2/silences");
    if (!answer || answer->status != 200) {
        return out;
    }
    const auto document = json::parse(answer->body);
    for (const auto& silence : json::items(document)) {
        const auto comment = shown(silence, "comment");
        out[member(silence, "id")] = "until " + whenText(member(silence, "endsAt"), now) + " by " +
                                     shown(silence, "createdBy") + (comment.empty() ? "" : ": " + comment);
    }
    return out;
}

/// Why nobody is told of it, one line each.
void printMuting(const Value& alert, const std::map<std::string, std::string>& silences, TimestampMs now) {
    if (const auto& accepted = json::member(alert, "acceptedBy"); accepted.IsObject()) {
        fmt::print("    Accepted until {} by {}: {}\n", whenText(member(accepted, "until"), now),
                   shown(accepted, "by"), shown(accepted, "reason"));
    }
    for (const auto& id : json::texts(alert, "silencedBy")) {
        const auto known = silences.find(id);
        fmt::print("    Silenced {} (silence {})\n", known == silences.end() ? "" : known->second,
                   printable(id));
    }
    for (const auto& source : json::items(json::member(alert, "inhibitedBy"))) {
        const auto instance = shown(source, "instance");
        fmt::print("    Inhibited by {}{}\n", shown(source, "alertname"),
                   instance.empty() ? "" : " of " + instance);
    }
}

/// Who was told of a firing alert, a line each; the receivers that no route leads it to are left out.
void printTold(const Collector& collector, const Value& alert, TimestampMs now) {
    const auto answer = collector.get("/api/lapwing/v1/notifications?fingerprint=" +
                                      notify::fingerprint(json::readLabels(alert, "labels")));
    if (!answer || answer->status != 200) {
        return;
    }
    const auto document = json::parse(answer->body);
    for (const auto& each : json::items(json::member(document, "data"))) {
        const auto role = member(each, "role");
        const bool knows = member(each, "told") != "nothing";
        if (!json::flag(each, "known").value_or(false) || (role != "addressed" && !knows)) {
            continue;
        }
        const auto trouble = shown(json::member(each, "trouble"), "reason");
        fmt::print("    {}{}: {}{}\n", shown(each, "receiver"), role == "alternative" ? " (alternative)" : "",
                   knows ? "told " + whenText(member(each, "at"), now) : "not told yet",
                   trouble.empty() ? "" : "; it fails: " + trouble);
    }
}

void print(const Collector& collector, const Value& alert, const std::map<std::string, std::string>& silences,
           TimestampMs now) {
    const auto& labels = json::member(alert, "labels");
    const auto state = shown(alert, "state");
    const auto severity = shown(labels, "severity");
    const bool muted =
        alert.HasMember("acceptedBy") || alert.HasMember("silencedBy") || alert.HasMember("inhibitedBy");
    fmt::print("{}  {}  {}  since {}{}\n", state, shown(labels, "alertname"),
               state == "firing" && !muted ? coloured(severity, severity) : severity,
               whenText(member(alert, "activeAt"), now), muted ? "  (nobody is told)" : "");
    const auto& annotations = json::member(alert, "annotations");
    if (const auto summary = shown(annotations, "summary"); !summary.empty()) {
        fmt::print("  {}\n", summary);
    }
    for (const auto& [name, word] :
         {std::pair("evidence", "Evidence"), std::pair("next_step", "Next step")}) {
        if (const auto text = shown(annotations, name); !text.empty()) {
            fmt::print("    {}: {}\n", word, text);
        }
    }
    printMuting(alert, silences, now);
    if (state == "firing" && !muted) {
        printTold(collector, alert, now);
    }
    if (const auto until = member(alert, "heldUntil"); !until.empty()) {
        fmt::print("    Its data have been missing since {}: held until {}\n",
                   whenText(member(alert, "unknownSince"), now), whenText(until, now));
    }
}

}  // namespace

int showAlerts(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const Collector collector(*config);
    int code = kFine;
    const auto answer = ask(collector, "/api/v1/alerts", code);
    if (!answer) {
        return code;
    }
    const auto now = nowMs();
    const auto alerts = json::items(json::member(answer->document["data"], "alerts"));
    const auto silences = as_json ? std::map<std::string, std::string>() : silencesOf(collector, now);
    bool firing = false;
    for (const auto& alert : alerts) {
        firing = firing || member(alert, "state") == "firing";
        if (!as_json) {
            print(collector, alert, silences, now);
        }
    }
    if (as_json) {
        fmt::print("{}\n", answer->body);
    } else if (alerts.Empty()) {
        fmt::print("no alerts\n");
    }
    return firing ? kDegraded : kFine;
}

}  // namespace lapwing::collector
