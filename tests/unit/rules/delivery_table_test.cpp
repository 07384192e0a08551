#include "collector/notify/delivery_table.h"

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
    if (!notification) return out;
    for (const auto& one : notification->alerts) {
        out.push_back((one.firing ? "+" : "-") + std::string(one.labels.get("instance")));
    }
    return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("each change is told once, and what goes on again after the repeat interval") {
    DeliveryTable table({});
    CHECK(table.put(alert("A", "x"), kNow));
    CHECK(table.waiting() == 1);
    auto first = table.due(kNow);
    CHECK(names(first) == Names{"+x"});
    CHECK(names(table.due(kNow + 5)) == Names{"+x"});
    table.accept(*first, kNow + 10);
    CHECK(table.waiting() == 0);
    CHECK_FALSE(table.due(kNow + 1000));
    // The rules say it again every minute: no news.
    CHECK_FALSE(table.put(alert("A", "x"), kNow + 60'000));
    CHECK_FALSE(table.due(kNow + 4 * kHour));
    CHECK(table.nextDue(kNow) == kNow + 10 + 4 * kHour);
    CHECK(names(table.due(kNow + 10 + 4 * kHour)) == Names{"+x"});
    CHECK(table.put(alert("A", "x", false), kNow + 70'000));
    auto last = table.due(kNow + 70'000);
    CHECK(names(last) == Names{"-x"});
    table.accept(*last, kNow + 70'001);
    // Resolved is said for 15 minutes: it is known.
    CHECK_FALSE(table.put(alert("A", "x", false), kNow + 130'000));
    CHECK_FALSE(table.nextDue(kNow + 130'000));
}

TEST_CASE("alerts of one name go together, the firing ones first") {
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

TEST_CASE("what changes while a notification is under way is told after it") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    auto under_way = table.due(kNow);
    table.put(alert("A", "x", false), kNow + 1);
    table.accept(*under_way, kNow + 2);
    auto next = table.due(kNow + 2);
    CHECK(names(next) == Names{"-x"});
    // And begins anew while its end is being told.
    table.put(alert("A", "x", true, kNow + 3), kNow + 3);
    table.accept(*next, kNow + 4);
    CHECK(names(table.due(kNow + 4)) == Names{"+x"});
}

TEST_CASE("an alert that came and went while the receiver was away is told as resolved") {
    DeliveryTable table({});
    table.put(alert("A", "x"), kNow);
    table.put(alert("A", "x", false), kNow + 1000);
    CHECK(names(table.due(kNow + 2000)) == Names{"-x"});
    // But not for ever.
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

TEST_CASE("a firing alert that is not confirmed any more lapses") {
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
    // However long the gap was, the rules get time to confirm before anything lapses.
    CHECK_FALSE(again.lapse(kNow + 200'000));
    CHECK_FALSE(DeliveryTable({}).restore("{", kNow));
}

TEST_CASE("after a restart an alert of a rule that is evaluated seldom holds as long as before") {
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

TEST_CASE("a mail's subject is one line, whatever a label holds") {
    notify::Notification notification;
    notification.group = Labels{{"alertname", "A"}};
    notification.alerts = {alert("A", "x\r\nBcc: all@example.org"), alert("A", "y")};
    CHECK(notify::mailSubject(notification) == "[FIRING:2] A (x  Bcc: all@example.org, y)");
    for (auto& one : notification.alerts) one.firing = false;
    CHECK(notify::mailSubject(notification).rfind("[RESOLVED] A", 0) == 0);
}
