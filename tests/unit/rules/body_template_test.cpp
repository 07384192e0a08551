#include "collector/notify/body_template.h"

#include "common/json.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using notify::BodyTemplate;

namespace {

notify::Notification group(std::size_t alerts, const std::string& text = "") {
    notify::Notification out;
    out.group = Labels{{"alertname", "Down" + text}};
    for (std::size_t i = 0; i < alerts; ++i) {
        notify::Alert alert;
        alert.labels = Labels{{"alertname", "Down" + text}, {"instance", "web-" + std::to_string(i)}};
        alert.annotations = Labels{{"summary", "down" + text}};
        alert.firing = i == 0;
        alert.starts_at = 1'700'000'000'000;
        alert.ends_at = 1'700'000'060'000;
        out.alerts.push_back(alert);
    }
    return out;
}

std::string rendered(const std::string& text, const notify::Notification& notification, bool json = true) {
    const auto body = BodyTemplate::parse(text, json);
    REQUIRE(body);
    const auto out = body->render(notification, "chat", "https://ops.example.org/lapwing");
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return *out;
}

std::string problem(const std::string& text, bool json = true) {
    const auto body = BodyTemplate::parse(text, json);
    if (!body) {
        return body.error().message;
    }
    const auto fine = body->tryOut("chat");
    return fine ? "" : fine.error().message;
}

}  // namespace

TEST_CASE("a body holds the group and its alerts") {
    CHECK(rendered(
              R"({"t": {{ .Status | toJson }}, "r": {{ toJson .Receiver }}, "n": {{ .Truncated }},)"
              R"( "l": {{ .GroupLabels | toJson }}, "c": {{ .CommonLabels.alertname | toJson }},)"
              R"( "a": [{{ range $i, $a := .Alerts }}{{ if $i }},{{ end }}{{ $a.Labels.instance | toJson }},)"
              R"({{ $a.Status | toJson }},{{ $a.EndsAt | toJson }}{{ end }}]})",
              group(2)) == R"({"t": "firing", "r": "chat", "n": 0, "l": {"alertname":"Down"}, "c": "Down", )"
                           R"("a": ["web-0","firing",null,"web-1","resolved","2023-11-14T22:14:20.000Z"]})");
    CHECK(rendered("{{ .Subject | toJson }}", group(1)) == "\"[FIRING:1] Down (web-0)\"");
    CHECK(rendered("{{ (index .Alerts 0).Page }}", group(1), false)
              .starts_with("https://ops.example.org/lapwing/alert?name=Down&fingerprint="));
    CHECK(rendered("{{ .Alerts | len }} {{ .Truncated }}", group(50), false) == "20 30");
}

TEST_CASE("no label breaks out of a body") {
    const std::string nasty = "\", \"to\": \"all\" }\n'\\<&>";
    const auto body = rendered(R"({"text": {{ .Text | toJson }}, "labels": {{ .CommonLabels | toJson }}})",
                               group(2, nasty));
    const auto document = json::parse(body);
    REQUIRE(document.IsObject());
    CHECK(document.MemberCount() == 2);
    CHECK(json::text(json::member(document, "labels"), "alertname") == "Down" + nasty);
}

TEST_CASE("a template that would send no JSON is refused with the place") {
    CHECK(problem(R"({"a": {{ .Subject | toJson }}})").empty());
    CHECK(problem("{\n\"a\": \"{{ .CommonLabels.severity }}\",\n\"b\": \"{{ .Subject }}\"}") ==
          "the body is no JSON at line 3, after `\"b\": \"[FIRING:1] Lapwing\"`; each value needs toJson: "
          "{{ .Subject | toJson }}");
    CHECK(problem(R"({"a": "{{ js .Text }}"})").starts_with("the body is no JSON"));
    CHECK(problem("any {{ .Subject }}", false).empty());
    CHECK(problem("{{ .Subject") == "template: line 1: unclosed action");
    CHECK(problem("{{ nonsense }}").find("\"nonsense\" not defined") != std::string::npos);
    CHECK(problem("{{ index .Alerts 7 }}").find("index out of range") != std::string::npos);
    CHECK(problem("{{ query \"up\" }}").find("queries are not available here") != std::string::npos);
    CHECK(BodyTemplate::parse(std::string(BodyTemplate::kMostText + 1, 'x'), false).error().kind ==
          ErrorKind::exhausted);
}

// It attacks "the body of a webhook's template".
TEST_CASE("a template has bounds of size and time") {
    const auto notification = group(20, std::string(4000, 'x'));
    const auto large = BodyTemplate::parse("{{ range .Alerts }}{{ .Labels | toJson }}{{ end }}", false);
    REQUIRE(large);
    CHECK(large->render(notification, "", "").error().kind == ErrorKind::exhausted);
    // 20^8 turns, each of which prints nothing.
    std::string endless = "{{ if eq 1 2 }}x{{ end }}";
    for (int i = 0; i < 8; ++i) {
        endless.insert(0, "{{ range .Alerts }}{{ with $ }}").append("{{ end }}{{ end }}");
    }
    const auto never = BodyTemplate::parse(endless, false);
    REQUIRE(never);
    CHECK(never->render(group(20), "", "").error().kind == ErrorKind::timeout);
}
