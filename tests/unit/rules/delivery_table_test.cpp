#include "collector/notify/delivery_table.h"

#include <set>
#include <string>

#include "collector/notify/chat_payload.h"
#include "collector/notify/inhibit.h"
#include "collector/notify/matchers.h"
#include "collector/notify/payload.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using notify::Alert;
using notify::DeliveryTable;

namespace {

constexpr TimestampMs kNow = 1'700'000'000'000;
constexpr std::int64_t kHour = 3'600'000;

Alert alert(const std::string& name, const std::string& instance, bool firing = true,
            TimestampMs since = kNow) {
    Alert out;
    out.labels = Labels{{"alertname", name}, {"instance", instance}};
    out.annotations = Labels{{"summary", name + " on " + instance}};
    out.firing = firing;
    out.starts_at = since;
    out.ends_at = firing ? since + 240'000 : since + 1000;
    return out;
}

std::vector<std::string> names(const std::optional<notify::Notification>& notification) {
    std::vector<std::string> out;
    if (!notification) {
        return out;
    }
    for (const auto& each : notification->alerts) {
        out.push_back((each.firing ? "+" : "-") + std::string(each.labels.get("instance")));
    }
    return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("each change is sent once, and an ongoing alert again after the repeat interval") {
    DeliveryTable table({});
    CHECK(table.put(alert("A", "x"), kNow));
    CHECK(table.waiting() == 1);
    auto first = table.due(kNow);
    CHECK(names(first) == Names{"+x"});
    CHECK(names(table.due(kNow + 5)) == Names{"+x"});
    table.accept(*first, kNow + 10);
    CHECK(table.waiting() == 0);
    CHECK_FALSE(table.due(kNow + 1000));
    // The rules repeat the alert every minute, which is no news.
    CHECK_FALSE(table.put(alert("A", "x"), kNow + 60'000));
    CHECK_FALSE(table.due(kNow + 4 * kHour));
    CHECK(table.nextDue(kNow) == kNow + 10 + 4 * kHour);
    CHECK(names(table.due(kNow + 10 + 4 * kHour)) == Names{"+x"});
    CHECK(table.put(alert("A", "x", false), kNow + 70'000));
    auto last = table.due(kNow + 70'000);
    CHECK(names(last) == Names{"-x"});
    table.accept(*last, kNow + 70'001);
    // The rules repeat the resolution for 15 minutes, which is no news.
    CHECK_FALSE(table.put(alert("A", "x", false), kNow + 130'000));
    CHECK_FALSE(table.nextDue(kNow + 130'000));
}

TEST_CASE("alerts of one name form a group, the firing ones first") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    table.put(alert("B", "z"), kNow + 1);
    table.put(alert("A", "y"), kNow + 2);
    auto first = table.due(kNow + 2);
    CHECK(names(first) == Names{"+x", "+y"});
    CHECK(first->group == Labels{{"alertname", "A"}});
    table.accept(*first, kNow + 3);
    auto second = table.due(kNow + 3);
    CHECK(names(second) == Names{"+z"});
    table.accept(*second, kNow + 4);
    table.put(alert("A", "x", false), kNow + 10);
    auto third = table.due(kNow + 10);
    CHECK(names(third) == Names{"+y", "-x"});
    CHECK(third->firing());
    table.accept(*third, kNow + 11);
    CHECK_FALSE(table.due(kNow + 12));
}

TEST_CASE("a change during a delivery is sent after it") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    auto under_way = table.due(kNow);
    table.put(alert("A", "x", false), kNow + 1);
    table.accept(*under_way, kNow + 2);
    auto next = table.due(kNow + 2);
    CHECK(names(next) == Names{"-x"});
    // It begins again while its end is being delivered.
    table.put(alert("A", "x", true, kNow + 3), kNow + 3);
    table.accept(*next, kNow + 4);
    CHECK(names(table.due(kNow + 4)) == Names{"+x"});
}

TEST_CASE("an alert that began and ended while the receiver was down is sent as resolved") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    table.put(alert("A", "x", false), kNow + 1000);
    CHECK(names(table.due(kNow + 2000)) == Names{"-x"});
    // It does not wait forever.
    CHECK_FALSE(table.lapse(kNow + 24 * kHour));
    CHECK(table.lapse(kNow + 25 * kHour));
    CHECK_FALSE(table.due(kNow + 25 * kHour));
}

TEST_CASE("a receiver that wants no resolved alerts gets none") {
    DeliveryTable::Options options;
    options.send_resolved = false;
    DeliveryTable table(options);
    table.put(alert("A", "x"), kNow);
    table.accept(*table.due(kNow), kNow);
    table.put(alert("A", "x", false), kNow + 1);
    CHECK_FALSE(table.due(kNow + 1));
    CHECK_FALSE(table.nextDue(kNow + 1));
}

TEST_CASE("a firing alert lapses unless it is confirmed") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    table.accept(*table.due(kNow), kNow);
    CHECK_FALSE(table.lapse(kNow + 300'000));
    CHECK(table.lapse(kNow + 300'001));
    auto over = table.due(kNow + 300'001);
    CHECK(names(over) == Names{"-x"});
    CHECK(over->alerts[0].ends_at == kNow + 300'001);
}

TEST_CASE("a restart repeats nothing and loses nothing") {
    DeliveryTable table({});
    table.put(alert("A", "told"), kNow);
    table.accept(*table.due(kNow), kNow);
    table.put(alert("B", "waits \"\xc3\xa9\"\n"), kNow + 1);
    DeliveryTable again({});
    REQUIRE(again.restore(table.save(), kNow + 2));
    CHECK(again.waiting() == 1);
    CHECK_FALSE(again.put(alert("A", "told"), kNow + 3));
    auto next = again.due(kNow + 3);
    REQUIRE(next);
    CHECK(next->alerts.size() == 1);
    CHECK(next->alerts[0].labels == alert("B", "waits \"\xc3\xa9\"\n").labels);
    CHECK(next->alerts[0].annotations == alert("B", "waits \"\xc3\xa9\"\n").annotations);
    CHECK(next->alerts[0].starts_at == kNow);
    again.accept(*next, kNow + 4);
    // After a gap of any length, the rules get time to confirm before an alert lapses.
    CHECK_FALSE(again.lapse(kNow + 200'000));
    CHECK_FALSE(DeliveryTable({}).restore("{", kNow));
}

TEST_CASE("after a restart, an alert of a rule with a long interval keeps its validity") {
    DeliveryTable table({});
    auto seldom = alert("A", "x");
    seldom.ends_at = kNow + 2'400'000;
    table.put(seldom, kNow);
    table.accept(*table.due(kNow), kNow);
    DeliveryTable again({});
    REQUIRE(again.restore(table.save(), kNow + 1000));
    CHECK_FALSE(again.lapse(kNow + 1000 + 2'400'000));
    CHECK(again.lapse(kNow + 1001 + 2'400'000));
}

TEST_CASE("a silenced alert waits, and is sent when the silence ends") {
    DeliveryTable table({});
    bool silent = true;
    const auto silenced = [&](const Labels& labels) { return silent && labels.get("instance") != "loud"; };
    table.put(alert("A", "new"), kNow);
    table.put(alert("A", "loud"), kNow);
    table.put(alert("A", "brief"), kNow);
    CHECK(table.mute(silenced, {}, kNow));
    CHECK(table.waiting() == 1);
    auto first = table.due(kNow);
    CHECK(names(first) == Names{"+loud"});
    table.accept(*first, kNow);
    CHECK_FALSE(table.nextDue(kNow) == kNow);
    // An alert that began and ended while silenced is not sent, even after a restart.
    table.put(alert("A", "brief", false), kNow + 10);
    CHECK(table.mute(silenced, {}, kNow + 10));
    DeliveryTable again({});
    REQUIRE(again.restore(table.save(), kNow + 20));
    CHECK_FALSE(again.mute(silenced, {}, kNow + 20));
    silent = false;
    CHECK(again.mute(silenced, {}, kNow + 30));
    auto second = again.due(kNow + 30);
    CHECK(names(second) == Names{"+loud", "+new"});
    again.accept(*second, kNow + 30);

    // Sent, then silenced: when the silence ends, its end is sent, or its firing again.
    silent = true;
    again.mute(silenced, {}, kNow + 40);
    again.put(alert("A", "new", false), kNow + 41);
    again.mute(silenced, {}, kNow + 41);
    CHECK_FALSE(again.due(kNow + 42));
    silent = false;
    again.mute(silenced, {}, kNow + 50);
    auto third = again.due(kNow + 50);
    CHECK(names(third) == Names{"+loud", "-new"});
    again.accept(*third, kNow + 50);
    const auto all = [&](const Labels&) { return silent; };
    silent = true;
    again.mute(all, {}, kNow + 60);
    CHECK_FALSE(again.due(kNow + 5 * kHour));
    silent = false;
    again.mute(all, {}, kNow + 70);
    CHECK(names(again.due(kNow + 70)) == Names{"+loud"});
}

TEST_CASE("a silent agent explains what is not known of its host") {
    DeliveryTable table({});
    table.put(alert("AgentSilent", "web-02"), kNow);
    for (const auto* host : {"web-02", "web-03"}) {
        for (const auto* name : {"ObservationMissing", "MysqlReplicationUnknown"}) {
            table.put(alert(name, host), kNow);
        }
    }
    table.mute([](const Labels&) { return false; }, notify::defaultInhibitRules(), kNow);
    std::set<std::string> told;
    while (const auto due = table.due(kNow)) {
        for (const auto& each : due->alerts) {
            told.insert(std::string(each.labels.get("alertname")) + " " +
                        std::string(each.labels.get("instance")));
        }
        table.accept(*due, kNow);
    }
    CHECK(told == std::set<std::string>{"AgentSilent web-02", "MysqlReplicationUnknown web-03",
                                        "ObservationMissing web-03"});
}

TEST_CASE("an inhibited alert waits while the inhibiting alert fires") {
    DeliveryTable table({});
    const auto rules = notify::defaultInhibitRules();
    const auto nobody = [](const Labels&) { return false; };
    auto warning = alert("MysqlReplicaLag", "web-02");
    warning.labels.set("severity", "warning");
    auto critical = warning;
    critical.labels.set("severity", "critical");
    auto other_host = alert("MysqlReplicaLag", "web-03");
    other_host.labels.set("severity", "warning");
    for (const auto& each : {warning, critical, other_host}) {
        table.put(each, kNow);
    }
    table.put(alert("ObservationMissing", "web-02"), kNow);
    CHECK(table.mute(nobody, rules, kNow));
    auto first = table.due(kNow);
    REQUIRE(first);
    REQUIRE(first->alerts.size() == 2);
    CHECK(first->alerts[0].labels == critical.labels);
    CHECK(first->alerts[1].labels == other_host.labels);
    table.accept(*first, kNow);
    // That host has no silent agent, so the alert is sent.
    CHECK(table.due(kNow)->alerts[0].labels.get("alertname") == "ObservationMissing");
    table.accept(*table.due(kNow), kNow);
    table.put(alert("AgentSilent", "web-02"), kNow);
    table.mute(nobody, rules, kNow);
    table.accept(*table.due(kNow), kNow);

    critical.firing = false;
    table.put(critical, kNow + 10);
    table.mute(nobody, rules, kNow + 10);
    const auto second = table.due(kNow + 10);
    REQUIRE(second);
    CHECK(second->alerts.size() == 3);
    CHECK(second->alerts[0].labels == warning.labels);
    CHECK(second->alerts[2].labels == critical.labels);
    table.accept(*second, kNow + 10);
    // An alert that was sent before it was inhibited is not sent again afterwards.
    table.put(alert("AgentSilent", "web-02", false), kNow + 20);
    table.mute(nobody, rules, kNow + 20);
    const auto third = table.due(kNow + 20);
    REQUIRE(third);
    CHECK(third->group == Labels{{"alertname", "AgentSilent"}});
    table.accept(*third, kNow + 20);
    CHECK_FALSE(table.due(kNow + 20));
}

TEST_CASE("an alert inhibits neither itself nor another of its kind") {
    const std::vector<notify::InhibitRule> rules = {{{*notify::parseMatcher("severity=~critical|warning")},
                                                     {*notify::parseMatcher("severity=warning")},
                                                     {}}};
    const Labels first{{"alertname", "A"}, {"severity", "warning"}};
    const Labels second{{"alertname", "B"}, {"severity", "warning"}};
    const Labels critical{{"alertname", "C"}, {"severity", "critical"}};
    CHECK(notify::inhibitors(rules, first, {&first, &second}).empty());
    CHECK(notify::inhibitors(rules, first, {&first, &critical}) == std::vector<Labels>{critical});
    CHECK(notify::inhibitors(rules, critical, {&critical}).empty());
}

TEST_CASE("groups follow the labels and waiting times of the configuration") {
    DeliveryTable::Options options;
    options.group_by = {"instance", "cluster"};
    options.group_wait_ms = 1000;
    options.group_interval_ms = 60'000;
    DeliveryTable table(options);
    table.put(alert("A", "x"), kNow);
    table.put(alert("B", "x"), kNow + 500);
    table.put(alert("A", "y"), kNow + 600);
    CHECK_FALSE(table.due(kNow + 999));
    CHECK(table.nextDue(kNow) == kNow + 1000);
    auto first = table.due(kNow + 1000);
    CHECK(names(first) == Names{"+x", "+x"});
    CHECK(first->group == Labels{{"instance", "x"}});
    table.accept(*first, kNow + 1000);
    table.accept(*table.due(kNow + 1600), kNow + 1600);
    // The group was sent before: its new alerts come with the next interval.
    table.put(alert("C", "x"), kNow + 2000);
    CHECK_FALSE(table.due(kNow + 60'999));
    CHECK(table.nextDue(kNow + 2000) == kNow + 61'000);
    CHECK(names(table.due(kNow + 61'000)) == Names{"+x", "+x", "+x"});

    options = {};
    options.group_by.clear();
    options.group_by_all = true;
    DeliveryTable each(options);
    each.put(alert("A", "x"), kNow);
    each.put(alert("A", "y"), kNow);
    CHECK(each.due(kNow)->alerts.size() == 1);
    CHECK(each.due(kNow)->group == alert("A", "x").labels);
}

TEST_CASE("Slack gets plain text from any annotation") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "A"}};
    notification.alerts = {alert("A", "x"), alert("A", "y", false)};
    notification.alerts[0].annotations = Labels{
        {"summary", "<!channel> a & *b* \"q\""}, {"description", "one\ntwo"}, {"next_step", "run `x`"}};
    const std::string space = "\xe2\x80\x8b";
    CHECK(
        notify::slackPayload(notification, "http://mon") ==
        R"j({"attachments":[{"color":"danger","fallback":"[FIRING:1] A (x, y)","title":"[FIRING:1] A (x, y)",)j"
        R"j("title_link":"http://mon","text":"*FIRING: &lt;!channel&gt; a &amp; *)j" +
            space + "b*" + space + R"j( \"q\"*\none\ntwo\nrun `)j" + space + "x`" + space +
            R"j(\nsince 2023-11-14T22:13:20.000Z\n<http://mon/alert?name=A&fingerprint=)j" +
            notify::fingerprint(notification.alerts[0].labels) +
            R"j(|page>\n*RESOLVED: A on y*\nended 2023-11-14T22:13:21.000Z\n<http://mon/alert?name=A&fingerprint=)j" +
            notify::fingerprint(notification.alerts[1].labels) +
            R"j(|page>",)j"
            R"j("mrkdwn_in":["text"]}]})j");
    notification.alerts.erase(notification.alerts.begin());
    CHECK(notify::slackPayload(notification, "http://mon")
              .find(R"j("title_link":"http://mon/alert?name=A&fingerprint=)j") != std::string::npos);
    CHECK(notify::slackPayload(notification, "").find("page>") == std::string::npos);
    CHECK(notify::slackPayload(notification, "").find(R"j("color":"good","fallback":"[RESOLVED] A (y)")j") !=
          std::string::npos);
}

TEST_CASE("Teams gets an adaptive card that is not too large") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "A"}};
    notification.alerts = {alert("A", "x")};
    notification.alerts[0].annotations = Labels{{"summary", "[a](http://x) _b_"}};
    CHECK(
        notify::teamsPayload(notification, "http://mon") ==
        R"j({"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{)j"
        R"j("$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4",)j"
        R"j("body":[{"type":"TextBlock","text":"\\[FIRING:1\\] A \\(x\\)","weight":"Bolder","size":"Large",)j"
        R"j("wrap":true,"color":"Attention"},)j"
        R"j({"type":"TextBlock","text":"FIRING: \\[a\\]\\(http://x\\) \\_b\\_","wrap":true,"weight":"Bolder"},)j"
        R"j({"type":"TextBlock","text":"since 2023\\-11\\-14T22:13:20.000Z","wrap":true,"spacing":"None"}],)j"
        R"j("actions":[{"type":"Action.OpenUrl","title":"Lapwing","url":"http://mon/alert?name=A&fingerprint=)j" +
            notify::fingerprint(notification.alerts[0].labels) + R"j("}]}}]})j");
    for (int i = 0; i < 100; ++i) {
        notification.alerts.push_back(alert("A", "host-" + std::to_string(i)));
        notification.alerts.back().annotations =
            Labels{{"summary", std::string(5000, '*')}, {"description", std::string(5000, '#')}};
    }
    const auto card = notify::teamsPayload(notification, "");
    CHECK(card.size() <= (28U << 10));
    CHECK(card.find(" more") != std::string::npos);
}

TEST_CASE("the webhook's payload is Alertmanager's, version 4") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "A"}};
    notification.alerts = {alert("A", "x"), alert("A", "y \"q\"\n", false)};
    notification.alerts[0].labels.set("severity", "critical");
    notification.alerts[1].labels.set("severity", "critical");
    notification.alerts[0].generator_url = "http://mon/graph";
    CHECK(
        notify::webhookPayload(notification, "webhook[0]", "http://mon") ==
        R"({"receiver":"webhook[0]","status":"firing","alerts":[)"
        R"({"status":"firing","labels":{"alertname":"A","instance":"x","severity":"critical"},)"
        R"("annotations":{"summary":"A on x"},"startsAt":"2023-11-14T22:13:20.000Z",)"
        R"("endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://mon/graph","fingerprint":"c62f23f5e7a9168e"},)"
        R"({"status":"resolved","labels":{"alertname":"A","instance":"y \"q\"\n","severity":"critical"},)"
        R"("annotations":{"summary":"A on y \"q\"\n"},"startsAt":"2023-11-14T22:13:20.000Z",)"
        R"("endsAt":"2023-11-14T22:13:21.000Z","generatorURL":"","fingerprint":"fa9e09e4b56bd270"}],)"
        R"("groupLabels":{"alertname":"A"},"commonLabels":{"alertname":"A","severity":"critical"},)"
        R"("commonAnnotations":{},"externalURL":"http://mon","version":"4",)"
        R"("groupKey":"{}:{alertname=\"A\"}","truncatedAlerts":0})");
    notification.alerts.erase(notification.alerts.begin());
    CHECK(notify::webhookPayload(notification, "r", "").find(R"("status":"resolved","alerts")") !=
          std::string::npos);
}

TEST_CASE("Alertmanager gets a plain list, with the time until which an alert holds") {
    notify::Notification notification;
    notification.alerts = {alert("A", "x")};
    CHECK(notify::alertmanagerPayload(notification) ==
          R"([{"labels":{"alertname":"A","instance":"x"},"annotations":{"summary":"A on x"},)"
          R"("startsAt":"2023-11-14T22:13:20.000Z","endsAt":"2023-11-14T22:17:20.000Z","generatorURL":""}])");
}

TEST_CASE("a mail about a finding has its title in the subject, and repeats no text") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "CriticalFinding"}};
    notification.alerts = {alert("CriticalFinding", "web-01")};
    notification.alerts[0].annotations = Labels{{"title", "MySQL is open"},
                                                {"summary", "Critical finding F2 (confirmed): MySQL is open"},
                                                {"evidence", "attempt from web-02: it connected"},
                                                {"description", "attempt from web-02: it connected. More."},
                                                {"remedy", "nft"},
                                                {"next_step", "nft - more"}};
    CHECK(notify::mailSubject(notification) == "[FIRING:1] CriticalFinding (web-01): MySQL is open");
    CHECK(notify::mailBody(notification, "") ==
          "FIRING: Critical finding F2 (confirmed): MySQL is open\nsince 2023-11-14T22:13:20.000Z\n\n"
          "description: attempt from web-02: it connected. More.\nnext_step: nft - more\n"
          "labels: {alertname=\"CriticalFinding\", instance=\"web-01\"}\n"
          "to silence it, on the collector's machine: sudo lapwing-collector silence 1h --matcher "
          "'alertname=\"CriticalFinding\"' --matcher 'instance=\"web-01\"' --comment 'WHY'\n\n");
    CHECK(notify::mailBody(notification, "http://mon")
              .find("web-01\"}\npage: http://mon/alert?name=CriticalFinding&fingerprint=" +
                    notify::fingerprint(notification.alerts[0].labels) + "\nto silence it") !=
          std::string::npos);
    CHECK(notify::mailBody(notification, "http://mon").ends_with("'WHY'\n\nhttp://mon\n"));
    notification.alerts.push_back(alert("CriticalFinding", "web-02"));
    notification.alerts[0].annotations.set("title", std::string(199, 'x'));
    CHECK(notify::mailSubject(notification).size() == 200);
    notification.alerts[0].annotations.set("title", "T");
    CHECK(notify::mailSubject(notification) == "[FIRING:2] CriticalFinding (web-01, web-02): T (and 1 more)");
}

TEST_CASE("a mail's subject is one line for any label") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "A"}};
    notification.alerts = {alert("A", "x\r\nBcc: all@example.org"), alert("A", "y")};
    CHECK(notify::mailSubject(notification) == "[FIRING:2] A (x  Bcc: all@example.org, y)");
    for (auto& each : notification.alerts) {
        each.firing = false;
    }
    CHECK(notify::mailSubject(notification).rfind("[RESOLVED] A", 0) == 0);
}

namespace {

using Kind = notify::DeliveryFailure::Kind;

notify::DeliveryFailure failure(Kind kind) {
    return {kind, "answered HTTP 400: invalid_blocks", std::nullopt};
}

Alert critical(const std::string& name, const std::string& instance, TimestampMs since = kNow) {
    auto out = alert(name, instance, true, since);
    out.labels.set("severity", "critical");
    return out;
}

Alert ended(Alert alert, TimestampMs at) {
    alert.firing = false;
    alert.ends_at = at;
    return alert;
}

/// As collector.yaml has them by default.
DeliveryTable::Options damped() {
    DeliveryTable::Options out;
    out.group_wait_ms = 10'000;
    out.group_interval_ms = 300'000;
    out.gather_ms = 200;
    return out;
}

/// Delivers everything that is due from `from` on, at each tenth of a second; the times of the messages.
std::vector<TimestampMs> messages(DeliveryTable& table, TimestampMs from, TimestampMs until,
                                  const std::function<void(TimestampMs)>& happens) {
    std::vector<TimestampMs> out;
    for (TimestampMs now = from; now <= until; now += 100) {
        happens(now);
        table.lapse(now);
        while (const auto next = table.take(now, true)) {
            out.push_back(now);
            table.accept(*next, now);
        }
    }
    return out;
}

}  // namespace

TEST_CASE("a group that fails does not hold up another") {
    DeliveryTable table({});
    table.put(alert("Bad", "x"), kNow);
    const auto bad = table.take(kNow, true);
    REQUIRE(names(bad) == Names{"+x"});
    // It is under way.
    CHECK_FALSE(table.due(kNow));
    table.put(alert("Good", "y"), kNow + 1);
    const auto good = table.take(kNow + 1, true);
    REQUIRE(names(good) == Names{"+y"});
    CHECK_FALSE(table.reject(*bad, failure(Kind::later), kNow + 10));
    table.accept(*good, kNow + 11);
    CHECK_FALSE(table.due(kNow + 1009));
    CHECK(table.nextDue(kNow + 11) == kNow + 1010);
    // A failed notification comes after every other, and only where retries are allowed.
    table.put(alert("New", "z"), kNow + 1010);
    CHECK(names(table.due(kNow + 1010)) == Names{"+z"});
    table.accept(*table.due(kNow + 1010), kNow + 1010);
    CHECK_FALSE(table.due(kNow + 1010, false));
    CHECK(names(table.due(kNow + 1010)) == Names{"+x"});
    // Its pauses grow to a minute, and no longer, also when the clock is set.
    for (int i = 0; i < 20; ++i) {
        table.reject(*table.take(kNow + 10'000'000 + i * 60'000, true), failure(Kind::later),
                     kNow + 10'000'000 + i * 60'000);
    }
    CHECK(table.due(kNow + 10'000'000 + 20 * 60'000));
    CHECK(table.due(kNow - 100 * kHour));
}

TEST_CASE("where a receiver refuses a group, each of its alerts is sent by itself") {
    DeliveryTable table({});
    for (const char* instance : {"a", "bad", "c"}) {
        table.put(alert("A", instance), kNow);
    }
    CHECK_FALSE(table.reject(*table.take(kNow, true), failure(Kind::refused), kNow));
    std::vector<std::string> accepted;
    int refused = 0;
    bool given_up = false;
    for (TimestampMs now = kNow; now < kNow + 60'000; now += 500) {
        while (const auto next = table.take(now, true)) {
            REQUIRE(next->alerts.size() == 1);
            CHECK(next->alone == next->alerts[0].labels);
            if (names(next) == Names{"+bad"}) {
                ++refused;
                given_up = table.reject(*next, failure(Kind::refused), now);
            } else {
                accepted.push_back(names(next)[0]);
                table.accept(*next, now);
            }
        }
    }
    CHECK(accepted == Names{"+a", "+c"});
    CHECK(refused == 3);
    CHECK(given_up);
    CHECK(table.waiting() == 0);
    // It does not spoil the group again, and is offered again after an hour. Its end is of no interest.
    table.put(alert("A", "d"), kNow + 60'000);
    const auto next = table.take(kNow + 60'000, true);
    CHECK(names(next) == Names{"+a", "+c", "+d"});
    table.accept(*next, kNow + 60'000);
    DeliveryTable again({});
    REQUIRE(again.restore(table.save(), kNow + 60'001));
    CHECK_FALSE(again.due(kNow + kHour));
    CHECK(names(again.due(kNow + kHour + 60'000)) == Names{"+bad"});
    again.put(alert("A", "bad", false), kNow + kHour);
    CHECK_FALSE(again.due(kNow + 2 * kHour));
}

TEST_CASE("a receiver that takes nothing is given up after minutes, and gets the alert later") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    int attempts = 0;
    TimestampMs now = kNow;
    for (bool given_up = false; !given_up; ++attempts) {
        REQUIRE(table.nextDue(now));
        now = *table.nextDue(now);
        given_up = table.reject(*table.take(now, true), failure(Kind::denied), now);
    }
    CHECK(attempts == 10);
    CHECK(now - kNow > 240'000);
    CHECK_FALSE(table.due(now + kHour - 1));
    REQUIRE(table.due(now + kHour));
    table.accept(*table.due(now + kHour), now + kHour);
    table.put(alert("A", "x", false), now + kHour + 1);
    CHECK(names(table.due(now + kHour + 1)) == Names{"-x"});
}

TEST_CASE("a receiver that cannot be reached loses nothing") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(table.reject(*table.take(kNow + i, true), failure(Kind::unreached), kNow + i));
    }
    CHECK(names(table.due(kNow + 100)) == Names{"+x"});
}

TEST_CASE("a new critical alert waits for nothing") {
    DeliveryTable table(damped());
    table.put(alert("A", "x"), kNow);
    table.put(critical("A", "y"), kNow + 100);
    CHECK_FALSE(table.due(kNow + 299));
    auto next = table.take(kNow + 300, true);
    CHECK(names(next) == Names{"+x", "+y"});
    table.accept(*next, kNow + 300);
    // A lesser one waits for the group's interval, a critical one does not.
    table.put(alert("A", "lesser"), kNow + 20'000);
    CHECK_FALSE(table.due(kNow + 20'300));
    table.put(critical("A", "z"), kNow + 30'000);
    next = table.take(kNow + 30'200, true);
    REQUIRE(next);
    CHECK(next->alerts.size() == 4);
    // It does not wait for the next attempt of its group either.
    table.reject(*next, failure(Kind::later), kNow + 30'300);
    CHECK_FALSE(table.due(kNow + 30'600));
    table.put(critical("A", "w"), kNow + 30'400);
    CHECK(table.due(kNow + 30'600));
}

TEST_CASE("200 hosts that fail within a minute are a handful of messages") {
    for (const bool severe : {true, false}) {
        DeliveryTable table(damped());
        int host = 0;
        const auto at = messages(table, kNow, kNow + 290'000, [&](TimestampMs now) {
            for (; host < 200 && now >= kNow + host * 300; ++host) {
                const auto name = std::to_string(host);
                table.put(severe ? critical("AgentSilent", name) : alert("AgentSilent", name), now);
            }
        });
        INFO(severe);
        CHECK(at.size() == (severe ? 5 : 1));
        CHECK(at[0] - kNow <= (severe ? 1000 : 10'100));
        CHECK(table.waiting() == (severe ? 0 : 166));
    }
}

TEST_CASE("a flapping alert is one message") {
    for (const bool resolved : {true, false}) {
        auto options = damped();
        options.send_resolved = resolved;
        DeliveryTable table(options);
        const auto at = messages(table, kNow, kNow + 290'000, [&](TimestampMs now) {
            if ((now - kNow) % 3000 == 0) {
                table.put(critical("A", "x", now), now);
            } else if ((now - kNow) % 3000 == 1500) {
                table.put(ended(critical("A", "x"), now), now);
            }
        });
        INFO(resolved);
        CHECK(at == std::vector<TimestampMs>{kNow + 200});
    }
}

TEST_CASE("the end of an alert is told with the group's interval, and the next beginning after it at once") {
    DeliveryTable table(damped());
    const auto at = messages(table, kNow, kNow + 700'000, [&](TimestampMs now) {
        if (now == kNow || now == kNow + 400'000) {
            table.put(critical("A", "x", now), now);
        } else if (now == kNow + 5000) {
            table.put(ended(critical("A", "x"), now), now);
        }
    });
    CHECK(at == std::vector<TimestampMs>{kNow + 200, kNow + 300'200, kNow + 400'200});
}

TEST_CASE("a lesser alert that ends within the wait of its group is not sent") {
    DeliveryTable table(damped());
    table.put(alert("A", "x"), kNow);
    table.put(alert("A", "x", false), kNow + 9000);
    CHECK_FALSE(table.nextDue(kNow + 9000));
    table.put(alert("A", "x"), kNow + 20'000);
    table.put(alert("A", "x", false), kNow + 31'000);
    CHECK(names(table.due(kNow + 31'000)) == Names{"-x"});
}

TEST_CASE("the address of an alert's page holds no sign that ends it") {
    auto odd = alert("A b&c|<d>", "x");
    CHECK(notify::alertPage("http://mon", odd) ==
          "http://mon/alert?name=A%20b%26c%7C%3Cd%3E&fingerprint=" + notify::fingerprint(odd.labels));
    CHECK(notify::alertPage("", odd).empty());
}

TEST_CASE("the table says what the receiver was told of an alert") {
    DeliveryTable table(DeliveryTable::Options{});
    const auto one = alert("A", "x");
    const auto of = notify::fingerprint(one.labels);
    CHECK(!table.told(of));
    table.put(one, kNow);
    REQUIRE(table.told(of));
    CHECK(!table.told(of)->at);
    CHECK(table.told(of)->waiting);
    table.accept(*table.due(kNow), kNow + 1);
    CHECK(table.told(of)->at == kNow + 1);
    CHECK(table.told(of)->firing);
    CHECK(!table.told(of)->waiting);
    CHECK(!table.told(notify::fingerprint(alert("A", "y").labels)));
}

TEST_CASE("an alert of another route is kept for inhibitions alone") {
    DeliveryTable table({});
    const auto none = [](const Labels&) { return false; };
    const auto all = [](const Labels&) { return true; };
    table.put(alert("A", "x"), kNow);
    CHECK(table.route(none, kNow));
    CHECK_FALSE(table.route(none, kNow));
    CHECK(table.waiting() == 0);
    CHECK_FALSE(table.due(kNow + 5 * kHour));
    // The route leads here now.
    CHECK(table.route(all, kNow + 1000));
    const auto sent = table.due(kNow + 1000);
    CHECK(names(sent) == Names{"+x"});
    table.accept(*sent, kNow + 1000);
    // And away again: nothing is repeated, and the end is told where the beginning was.
    CHECK(table.route(none, kNow + 2000));
    CHECK_FALSE(table.due(kNow + 20 * kHour));
    table.put(alert("A", "x", false), kNow + 3000);
    CHECK_FALSE(table.route(none, kNow + 3000));
    const auto end = table.due(kNow + 3000);
    CHECK(names(end) == Names{"-x"});
    table.accept(*end, kNow + 3000);
    CHECK_FALSE(table.told(notify::fingerprint(alert("A", "x").labels)));
}

TEST_CASE("the end of an alert of another route is told to nobody who knew nothing of it") {
    DeliveryTable table({});
    const auto none = [](const Labels&) { return false; };
    table.put(alert("A", "x"), kNow);
    table.put(alert("A", "y"), kNow);
    table.route(none, kNow);
    table.put(alert("A", "x", false), kNow + 1000);
    table.lapse(kNow + kHour);
    table.route(none, kNow + kHour);
    CHECK_FALSE(table.due(kNow + kHour));
    CHECK_FALSE(table.told(notify::fingerprint(alert("A", "x").labels)));
    CHECK_FALSE(table.told(notify::fingerprint(alert("A", "y").labels)));
}

TEST_CASE("a failure counts from the first attempt, through a restart, and ends with the delivery") {
    DeliveryTable table({});
    const auto labels = alert("A", "x").labels;
    table.put(alert("A", "x"), kNow);
    CHECK(table.failures().empty());
    const auto first = *table.due(kNow);
    table.noteFailure(first, kNow + 10);
    table.noteFailure(first, kNow + 5000);
    CHECK(table.failures() == notify::Failures{{labels, kNow + 10}});

    DeliveryTable later({});
    REQUIRE(later.restore(table.save(), kNow + 60'000));
    CHECK(later.failures() == notify::Failures{{labels, kNow + 10}});
    later.accept(*later.due(kNow + 60'000), kNow + 60'000);
    CHECK(later.failures().empty());
    // A repetition that fails is none: the receiver knows of the alert.
    later.noteFailure(*later.due(kNow + 5 * kHour), kNow + 5 * kHour);
    CHECK(later.failures().empty());
}

TEST_CASE("what waits for a receiver that cannot be reached fails with it") {
    DeliveryTable::Options options;
    options.group_wait_ms = 10'000;
    DeliveryTable table(options);
    table.put(alert("A", "x"), kNow);
    table.noteUnreached(kNow - 60'000, kNow + 5000);
    CHECK(table.failures().empty());  // it is not due yet
    table.noteUnreached(kNow - 60'000, kNow + 10'000);
    CHECK(table.failures() == notify::Failures{{alert("A", "x").labels, kNow - 60'000}});
    table.mute([](const Labels&) { return true; }, {}, kNow + 11'000);
    CHECK(table.failures().empty());
}

TEST_CASE("an alert that was given up has failed for good, until it is accepted") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    auto at = kNow;
    const notify::DeliveryFailure refused{notify::DeliveryFailure::Kind::refused, "no", {}};
    for (int i = 0; i < 3; ++i, at += 60'000) {
        table.reject(*table.due(at), refused, at);
    }
    CHECK(table.failures() == notify::Failures{{alert("A", "x").labels, 0}});
    at += kHour;
    table.accept(*table.due(at), at);
    CHECK(table.failures().empty());
}
