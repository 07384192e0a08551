#include "collector/notify/body_template.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>

#include "collector/limits/query_limits.h"
#include "collector/notify/chat_payload.h"
#include "collector/notify/payload.h"
#include "collector/rules/template/value.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/text.h"

namespace lapwing::notify {
namespace {

using rules::TemplateMap;
using rules::TemplateTime;
using rules::TemplateValue;

constexpr std::chrono::seconds kMostTime{1};
constexpr std::size_t kMostMemory = 16'000'000;
constexpr std::size_t kMostPlainText = 16U << 10;

TemplateValue mapOf(TemplateMap map) {
    return {std::make_shared<const TemplateMap>(std::move(map))};
}

TemplateValue statusOf(bool firing) {
    return {std::string(firing ? "firing" : "resolved")};
}

TemplateValue dataOf(const Alert& alert, const std::string& external_url) {
    return mapOf({{"Status", statusOf(alert.firing)},
                  {"Labels", {alert.labels}},
                  {"Annotations", {alert.annotations}},
                  {"StartsAt", {TemplateTime{alert.starts_at}}},
                  {"EndsAt", alert.firing ? TemplateValue{} : TemplateValue{TemplateTime{alert.ends_at}}},
                  {"GeneratorURL", {alert.generator_url}},
                  {"Fingerprint", {fingerprint(alert.labels)}},
                  {"Page", {alertPage(external_url, alert)}}});
}

TemplateValue dataOf(const Notification& notification, const std::string& receiver,
                     const std::string& external_url) {
    auto alerts = std::make_shared<rules::TemplateList>();
    const auto count = std::min(notification.alerts.size(), BodyTemplate::kMostAlerts);
    for (std::size_t i = 0; i < count; ++i) {
        alerts->push_back(dataOf(notification.alerts[i], external_url));
    }
    return mapOf({{"Status", statusOf(notification.firing())},
                  {"Receiver", {receiver}},
                  {"Subject", {mailSubject(notification)}},
                  {"Text", {plainText(notification, kMostPlainText)}},
                  {"Page", {messagePage(external_url, notification)}},
                  {"ExternalURL", {external_url}},
                  {"GroupLabels", {notification.group}},
                  {"CommonLabels", {commonLabels(notification)}},
                  {"CommonAnnotations", {commonAnnotations(notification)}},
                  {"Alerts", {std::shared_ptr<const rules::TemplateList>(std::move(alerts))}},
                  {"Truncated", {static_cast<std::int64_t>(notification.alerts.size() - count)}}});
}

/// Where a text stops being JSON: its line, and the end of what is before.
std::string placeIn(const std::string& text, std::size_t at) {
    constexpr std::size_t most = 60;
    const std::string before = text.substr(0, at);
    const auto lines = 1 + std::count(before.begin(), before.end(), '\n');
    const auto line = before.substr(before.rfind('\n') + 1);
    return "line " + std::to_string(lines) + ", after `" +
           printable(line.size() > most ? line.substr(line.size() - most) : line) + "`";
}

Expected<void> checkJson(const std::string& body) {
    json::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
    if (!document.HasParseError()) {
        return {};
    }
    return fail(ErrorKind::invalid, "the body is no JSON at " + placeIn(body, document.GetErrorOffset()) +
                                        "; each value needs toJson: {{ .Subject | toJson }}");
}

Alert sample(const std::string& text, bool firing) {
    Alert out;
    out.labels = Labels{{"alertname", "Lapwing" + text},
                        {"instance", "web-01" + text},
                        {"job", "node" + text},
                        {"severity", "critical"}};
    out.annotations = Labels{
        {"summary", "A sample" + text}, {"description", "It shows" + text}, {"next_step", "echo" + text}};
    out.firing = firing;
    out.starts_at = nowMs() - 60'000;
    out.ends_at = nowMs();
    out.generator_url = "http://127.0.0.1:9765/graph?g0.expr=up";
    return out;
}

}  // namespace

Expected<BodyTemplate> BodyTemplate::parse(const std::string& text, bool json) {
    if (text.size() > kMostText) {
        return fail(ErrorKind::exhausted, "the template is larger than 64 KiB");
    }
    auto body = rules::Template::parse(text, rules::TemplateUse::notifications);
    if (!body) {
        return fail(body.error());
    }
    return BodyTemplate(std::move(*body), json);
}

Expected<std::string> BodyTemplate::render(const Notification& notification, const std::string& receiver,
                                           const std::string& external_url) const {
    try {
        const QueryLimits limits(kMostMemory, QueryLimits::Clock::now() + kMostTime, nullptr);
        auto body = body_.expand(dataOf(notification, receiver, external_url));
        if (!body) {
            return body;
        }
        if (auto fine = json_ ? checkJson(*body) : Expected<void>(); !fine) {
            return fail(fine.error());
        }
        return body;
    } catch (const std::bad_alloc&) {
        return fail(QueryLimits::outOfMemory());
    }
}

Expected<void> BodyTemplate::tryOut(const std::string& receiver) const {
    const std::string url = "http://127.0.0.1:9765";
    for (const std::string text : {"", "\"'\\\n{}<b>"}) {
        for (const bool firing : {true, false}) {
            Notification notification;
            notification.alerts = {sample(text, firing), sample(text, false)};
            notification.alerts[1].labels.set("instance", "web-02" + text);
            notification.group = Labels{{"alertname", "Lapwing" + text}};
            if (const auto body = render(notification, receiver, url); !body) {
                return fail(body.error());
            }
        }
    }
    return {};
}

}  // namespace lapwing::notify
