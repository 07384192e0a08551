#include "collector/rules/manager.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/config/reader.h"
#include "common/model/clock.h"
#include "tests/unit/rules/rules_setup.h"

using namespace lapwing;
using rules::AlertState;
using rules::Health;

namespace {

const Labels kX{{"__name__", "x"}, {"job", "mysql"}, {"instance", "web-02"}, {"agent", "web-02"}};
const Labels kUp{{"__name__", "up"}, {"job", "mysql"}, {"instance", "web-02"}, {"agent", "web-02"}};

const char* const kLagRule = R"(groups:
  - name: g
    rules:
      - alert: Lag
        expr: max by (instance) (x) > 10
        for: 30s
        labels: { severity: warning }
        annotations: { summary: "{{ $labels.instance }} is {{ $value }} behind" }
)";

}  // namespace

TEST_CASE("an alert is pending, fires after its time, and resolves") {
    RulesSetup s(kLagRule);
    put(*s.store, kX, at(0), 5);
    s.manager->evaluate(at(0));
    CHECK(s.alerts().empty());
    CHECK(s.rule().health == Health::ok);
    CHECK(s.rule().state == AlertState::inactive);

    put(*s.store, kX, at(10), 20);
    s.manager->evaluate(at(10));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].state == AlertState::pending);
    CHECK(s.alerts()[0].active_at == at(10));
    CHECK(s.alerts()[0].labels ==
          Labels{{"alertname", "Lag"}, {"instance", "web-02"}, {"severity", "warning"}});
    CHECK(s.query("ALERTS", at(10)) ==
          std::vector<std::string>{
              R"(ALERTS{alertname="Lag", alertstate="pending", instance="web-02", severity="warning"}=1)"});
    CHECK(s.query("ALERTS_FOR_STATE", at(10)) ==
          std::vector<std::string>{
              R"(ALERTS_FOR_STATE{alertname="Lag", instance="web-02", severity="warning"}=1700000010)"});
    CHECK(s.notifier.take().empty());

    put(*s.store, kX, at(39), 21);
    s.manager->evaluate(at(39));
    CHECK(s.alerts()[0].state == AlertState::pending);
    s.manager->evaluate(at(40));
    CHECK(s.alerts()[0].state == AlertState::firing);
    CHECK(s.alerts()[0].value == 21);
    CHECK(s.rule().state == AlertState::firing);
    // The pending series ended at once, and not after the lookback.
    CHECK(s.query("ALERTS", at(40)) ==
          std::vector<std::string>{
              R"(ALERTS{alertname="Lag", alertstate="firing", instance="web-02", severity="warning"}=1)"});
    auto sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].firing);
    CHECK(sent[0].starts_at == at(40));
    CHECK(sent[0].ends_at == at(40) + 240'000);
    CHECK(sent[0].annotations.get("summary") == "web-02 is 21 behind");
    CHECK(sent[0].generator_url ==
          "http://mon:9765/graph?g0.expr=max+by+%28instance%29+%28x%29+%3E+10&g0.tab=1");

    s.manager->evaluate(at(99));
    CHECK(s.notifier.take().empty());
    s.manager->evaluate(at(100));
    CHECK(s.notifier.take().size() == 1);

    put(*s.store, kX, at(101), 3);
    s.manager->evaluate(at(110));
    CHECK(s.alerts().empty());
    CHECK(s.query("ALERTS", at(110)).empty());
    CHECK(s.query("ALERTS_FOR_STATE", at(110)).empty());
    sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK_FALSE(sent[0].firing);
    CHECK(sent[0].starts_at == at(40));
    CHECK(sent[0].ends_at == at(110));

    // The resolution is repeated for 15 minutes only.
    s.manager->evaluate(at(170));
    CHECK(s.notifier.take().size() == 1);
    s.manager->evaluate(at(110 + 900));
    CHECK(s.notifier.take().size() == 1);
    put(*s.store, kX, at(1011), 3);
    s.manager->evaluate(at(110 + 961));
    CHECK(s.notifier.take().empty());
}

TEST_CASE("a pending alert whose condition ends is dropped without notification") {
    RulesSetup s(kLagRule);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    put(*s.store, kX, at(5), 1);
    s.manager->evaluate(at(10));
    CHECK(s.alerts().empty());
    put(*s.store, kX, at(15), 20);
    s.manager->evaluate(at(40));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].active_at == at(40));
    CHECK(s.notifier.take().empty());
}

TEST_CASE("without `for` an alert fires in the evaluation that finds it") {
    RulesSetup s("groups: [{name: g, rules: [{alert: A, expr: 'x == 1', annotations: {a: ''}}]}]");
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(1));
    const auto sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].labels ==
          Labels{{"agent", "web-02"}, {"alertname", "A"}, {"instance", "web-02"}, {"job", "mysql"}});
}

TEST_CASE("keep_firing_for holds an alert after its condition has ended") {
    RulesSetup s("groups: [{name: g, rules: [{alert: A, expr: 'x == 1', keep_firing_for: 1m}]}]");
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(0));
    put(*s.store, kX, at(5), 0);
    s.manager->evaluate(at(10));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].keep_firing_since == at(10));
    put(*s.store, kX, at(15), 1);
    s.manager->evaluate(at(20));
    CHECK_FALSE(s.alerts()[0].keep_firing_since);
    put(*s.store, kX, at(25), 0);
    s.manager->evaluate(at(30));
    s.restart();
    s.manager->evaluate(at(89));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].keep_firing_since == at(30));
    s.manager->evaluate(at(90));
    CHECK(s.alerts().empty());
}

TEST_CASE("a restart loses neither a timer nor an alert, and resolves nothing falsely") {
    RulesSetup s(kLagRule);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    s.restart();
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].active_at == at(0));
    put(*s.store, kX, at(29), 20);
    s.manager->evaluate(at(30));
    CHECK(s.alerts()[0].state == AlertState::firing);
    REQUIRE(s.notifier.take().size() == 1);

    s.restart();
    CHECK(s.alerts()[0].state == AlertState::firing);
    s.manager->evaluate(at(40));
    auto sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].firing);
    CHECK(sent[0].starts_at == at(30));

    // The alert ended while the collector was down: after the restart it resolves, and its series ends.
    s.restart();
    put(*s.store, kX, at(45), 0);
    s.manager->evaluate(at(50));
    sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK_FALSE(sent[0].firing);
    CHECK(sent[0].starts_at == at(30));
    CHECK(s.query("ALERTS", at(50)).empty());
}

TEST_CASE("after a long gap a pending timer begins anew, and a firing alert goes on") {
    RulesSetup s(
        R"(groups: [{name: g, rules: [{alert: Slow, expr: 'x == 1', for: 1h}, {alert: Fast, expr: 'x == 1'}]}])");
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(0));
    s.restart();
    put(*s.store, kX, at(7000), 1);
    s.manager->evaluate(at(7000));
    CHECK(s.alerts(0)[0].state == AlertState::pending);
    CHECK(s.alerts(0)[0].active_at == at(7000));
    CHECK(s.alerts(1)[0].active_at == at(0));
}

TEST_CASE("an alert whose agent went silent is held, not resolved") {
    RulesSetup s(kLagRule);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    s.manager->evaluate(at(30));
    s.notifier.take();
    // After the lookback, queries no longer see the series.
    s.manager->evaluate(at(301));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].state == AlertState::firing);
    CHECK(s.alerts()[0].unknown_since == at(301));
    for (const auto& alert : s.notifier.take()) {
        CHECK(alert.firing);
    }
    s.restart();
    s.manager->evaluate(at(400));
    CHECK(s.alerts()[0].unknown_since == at(301));
    put(*s.store, kX, at(500), 20);
    s.manager->evaluate(at(500));
    CHECK_FALSE(s.alerts()[0].unknown_since);
    put(*s.store, kX, at(510), 1);
    s.manager->evaluate(at(510));
    CHECK(s.alerts().empty());
}

TEST_CASE("a series that ended is missing if its probe fails, and has ended if its probe works") {
    RulesSetup s(kLagRule);
    put(*s.store, kUp, at(0), 1);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    s.manager->evaluate(at(30));
    s.notifier.take();

    put(*s.store, kUp, at(35), 0);
    put(*s.store, kX, at(35), staleNaN());
    s.manager->evaluate(at(40));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].unknown_since == at(40));
    s.notifier.take();

    // The probe works again and no longer finds the series: it has ended.
    put(*s.store, kUp, at(45), 1);
    s.manager->evaluate(at(50));
    CHECK(s.alerts().empty());
    const auto sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK_FALSE(sent[0].firing);
}

TEST_CASE("a pending alert does not fire on missing data, and keeps its timer") {
    RulesSetup s(kLagRule);
    put(*s.store, kUp, at(0), 1);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    put(*s.store, kUp, at(5), 0);
    put(*s.store, kX, at(5), staleNaN());
    s.manager->evaluate(at(40));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].state == AlertState::pending);
    put(*s.store, kUp, at(45), 1);
    put(*s.store, kX, at(45), 20);
    s.manager->evaluate(at(50));
    CHECK(s.alerts()[0].state == AlertState::firing);
    CHECK(s.alerts()[0].active_at == at(0));
}

TEST_CASE("a series that another agent still reports is not missing") {
    RulesSetup s(kLagRule);
    Labels other = kX;
    other.set("agent", "monitor");
    put(*s.store, kX, at(0), 20);
    put(*s.store, other, at(0), 20);
    s.manager->evaluate(at(0));
    s.manager->evaluate(at(30));
    put(*s.store, other, at(300), 1);
    s.manager->evaluate(at(301));
    CHECK(s.alerts().empty());
}

TEST_CASE("an alert that is held for a day without data is resolved") {
    RulesSetup s(kLagRule);
    put(*s.store, kX, at(0), 20);
    s.manager->evaluate(at(0));
    s.manager->evaluate(at(30));
    s.manager->evaluate(at(400));
    s.manager->evaluate(at(400 + 86'399));
    CHECK(s.alerts().size() == 1);
    s.manager->evaluate(at(400 + 86'400));
    CHECK(s.alerts().empty());
}

TEST_CASE("absent() resolves when its series appears") {
    RulesSetup s("groups: [{name: g, rules: [{alert: Gone, expr: 'absent(x{instance=\"web-02\"})'}]}]");
    s.manager->evaluate(at(0));
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].labels == Labels{{"alertname", "Gone"}, {"instance", "web-02"}});
    put(*s.store, kX, at(5), 1);
    s.manager->evaluate(at(10));
    CHECK(s.alerts().empty());
}

TEST_CASE("a rule whose query fails keeps its alerts, and says what failed") {
    // Two agents give two elements for one side of a one-to-one match.
    RulesSetup s(
        "groups: [{name: g, rules: [{alert: A, expr: 'sum by (instance) (y) * on (instance) x > 0'}]}]");
    put(*s.store, Labels{{"__name__", "y"}, {"instance", "web-02"}}, at(0), 1);
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(0));
    REQUIRE(s.alerts().size() == 1);
    Labels other = kX;
    other.set("agent", "monitor");
    put(*s.store, other, at(5), 1);
    s.manager->evaluate(at(10));
    CHECK(s.rule().health == Health::err);
    CHECK(s.rule().last_error.find("many-to-many") != std::string::npos);
    REQUIRE(s.alerts().size() == 1);
    CHECK(s.alerts()[0].state == AlertState::firing);
    for (const auto& alert : s.notifier.take()) {
        CHECK(alert.firing);
    }
}

TEST_CASE("a rule whose result the store refuses is an error, with the store's reason") {
    RulesSetup s("groups: [{name: g, rules: [{record: r, expr: 'x + 1'}, {alert: A, expr: 'x > 0'}]}]");
    put(*s.store, kX, at(0), 1);
    auto taken = kX;
    taken.set("__name__", "r");
    put(*s.store, taken, at(0), 7);
    s.manager->evaluate(at(0));
    CHECK(s.rule(0).health == Health::err);
    CHECK(s.rule(0).last_error.find("r{") != std::string::npos);
    CHECK(s.rule(1).health == Health::ok);
    put(*s.store, kX, at(10), 1);
    s.manager->evaluate(at(10));
    CHECK(s.rule(0).health == Health::ok);
    CHECK(s.rule(0).last_error.empty());
}

TEST_CASE("two alerts with the same labels are an error") {
    RulesSetup s("groups: [{name: g, rules: [{alert: A, expr: 'x', labels: {instance: all, agent: all}}]}]");
    Labels other = kX;
    other.set("agent", "monitor");
    put(*s.store, kX, at(0), 1);
    put(*s.store, other, at(0), 1);
    s.manager->evaluate(at(0));
    CHECK(s.rule().last_error ==
          "vector contains metrics with the same labelset after applying alert labels");
    CHECK(s.alerts().empty());
}

TEST_CASE("rules run in order, and each sees the results of the earlier ones") {
    RulesSetup s(R"(groups:
  - name: g
    rules:
      - record: job:x:sum
        expr: sum by (job) (x)
        labels: { kind: sum, agent: "" }
      - record: doubled
        expr: job:x:sum * 2
      - alert: Big
        expr: doubled > 5
)");
    put(*s.store, kX, at(0), 3);
    s.manager->evaluate(at(0));
    CHECK(s.query("job:x:sum", at(0)) == std::vector<std::string>{R"(job:x:sum{job="mysql", kind="sum"}=3)"});
    CHECK(s.query("doubled", at(0)) == std::vector<std::string>{R"(doubled{job="mysql", kind="sum"}=6)"});
    CHECK(s.alerts(2).size() == 1);
    // A series that a rule no longer yields ends with a marker, and so do the series derived from it.
    put(*s.store, kX, at(5), staleNaN());
    s.manager->evaluate(at(10));
    CHECK(s.query("job:x:sum", at(10)).empty());
    CHECK(s.query("doubled", at(10)).empty());
    CHECK(s.alerts(2).empty());
}

TEST_CASE("a group's limit is an error that leaves the alerts as they were") {
    RulesSetup s("groups: [{name: g, limit: 1, rules: [{alert: A, expr: 'x == 1'}, {record: r, expr: x}]}]");
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(0));
    CHECK(s.alerts().size() == 1);
    Labels other = kX;
    other.set("instance", "web-01");
    put(*s.store, other, at(5), 1);
    s.manager->evaluate(at(10));
    CHECK(s.rule(0).last_error == "exceeded limit of 1 with 2 alerts");
    CHECK(s.rule(1).last_error == "exceeded limit of 1 with 2 series");
    CHECK(s.alerts().size() == 1);
}

TEST_CASE("a reload keeps the states of rules that stay and ends those of removed rules") {
    RulesSetup s(
        "groups: [{name: g, rules: [{alert: A, expr: 'x == 1'}, {alert: B, expr: 'x == 1'}, {record: r, "
        "expr: x}]}]");
    const TimestampMs now = nowMs();
    put(*s.store, kX, now, 1);
    s.manager->evaluate(now);
    s.notifier.take();
    s.rewrite(
        "groups: [{name: g, rules: [{alert: New, expr: 'x == 2'}, {alert: A, expr: 'x == 1', for: 1s}]}]");
    CHECK(s.alerts(1).at(0).active_at == now);
    const auto sent = s.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].labels.get("alertname") == "B");
    CHECK_FALSE(sent[0].firing);
    CHECK(s.query("r", now + 5000).empty());
    CHECK(s.query("ALERTS", now + 5000).size() == 1);

    // A file with a mistake changes nothing.
    s.folder.write("rules.yml", "groups: [{name: g, rules: [{alert: A, expr: 'x ='}]}]");
    CHECK(s.manager->loadFiles({s.folder.path("rules.yml")}).size() == 1);
    CHECK(s.manager->groups().at(0).rules.size() == 2);
}

TEST_CASE("a rule keeps its alerts when its file or its group gets another name") {
    const std::string rules =
        "rules: [{alert: A, expr: 'x == 1', for: 1m}, {alert: A, expr: 'x == 1', labels: {a: b}}, {record: "
        "r, "
        "expr: x}]}";
    RulesSetup s("groups: [{name: g, " + rules + "]");
    const auto load = [&](const std::string& file, const std::string& yaml) {
        REQUIRE(s.manager->loadFiles({s.folder.write(file, yaml)}).empty());
    };
    const TimestampMs now = nowMs();
    put(*s.store, kX, now, 1);
    s.manager->evaluate(now);
    CHECK(s.notifier.take().size() == 1);

    const auto nothing_ended = [&] {
        REQUIRE(s.alerts(0).size() == 1);
        CHECK(s.alerts(0)[0].active_at == now);
        CHECK(s.alerts(0)[0].state == AlertState::pending);
        REQUIRE(s.alerts(1).size() == 1);
        CHECK(s.alerts(1)[0].state == AlertState::firing);
        CHECK(s.notifier.take().empty());
        CHECK(s.query("r", now + 5000).size() == 1);
        CHECK(s.query("ALERTS", now + 5000).size() == 2);
    };
    load("rules.yml", "groups: [{name: renamed, " + rules + "]");
    nothing_ended();
    load("other.yml", "groups: [{name: renamed, " + rules + "]");
    nothing_ended();
    load("third.yml", "groups: [{name: before, rules: []}, {name: both, " + rules + "]");
    CHECK(s.manager->groups().at(1).rules.at(1).alerts.size() == 1);
    // Each rule is in the store once, under its new name.
    CHECK(s.store->states("rules/").value().size() == 2);
    // A rule of the same name with another expression is another rule.
    load("fourth.yml", "groups: [{name: g, rules: [{alert: A, expr: 'x == 2', for: 1m}]}]");
    CHECK(s.alerts(0).empty());
    CHECK(s.notifier.take().size() == 1);
    CHECK(s.store->states("rules/").value().empty());
}

TEST_CASE("a rule keeps its alerts when its file or its group gets another name during a restart") {
    const std::string group =
        "{name: NAME, rules: [{alert: A, expr: 'x == 1', for: 1m}, {alert: B, expr: 'x == 1'}]}";
    const auto named = [&](const std::string& name) {
        return std::string(group).replace(group.find("NAME"), 4, name);
    };
    RulesSetup s("groups: [" + named("g") + "]");
    put(*s.store, kX, at(0), 1);
    s.manager->evaluate(at(0));
    s.folder.write("rules.yml", "groups: [" + named("renamed") + ", " + named("copy") + "]");
    s.restart();
    CHECK(s.alerts(0).at(0).active_at == at(0));
    CHECK(s.alerts(1).at(0).state == AlertState::firing);
    // A second group with the same rules begins anew.
    CHECK(s.manager->groups().at(1).rules.at(0).alerts.empty());
    CHECK(s.store->states("rules/").value().size() == 2);
    s.manager->evaluate(at(60));
    CHECK(s.alerts(0).at(0).state == AlertState::firing);
}

TEST_CASE("the thread evaluates every interval, and stops at once") {
    RulesSetup s("groups: [{name: g, interval: 100ms, rules: [{alert: A, expr: 'vector(1)'}]}]");
    s.manager->start();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::vector<notify::Alert> sent;
    while (sent.empty() && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        sent = s.notifier.take();
    }
    s.manager->stop();
    REQUIRE(sent.size() == 1);
    const auto group = s.manager->groups().at(0);
    CHECK(group.last_evaluation > 0);
    CHECK(group.interval_ms == 100);
    s.manager->stop();
    s.manager->start();
    s.manager->stop();
}

TEST_CASE("a jump of the time changes no timer of an alert, and locks no series") {
    std::atomic<std::int64_t> jump{0};
    const ClockCorrection correction([&](const ClockReading&) { return jump.load(); });
    RulesSetup s(
        "groups: [{name: g, interval: 50ms, rules: [{alert: Long, expr: 'vector(1)', for: 1h}, {alert: "
        "Short, "
        "expr: 'vector(1)', for: 1s}]}]");
    const auto eventually = [&](const auto& condition) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!condition() && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return condition();
    };
    const auto evaluated_around = [&](TimestampMs time) {
        return eventually([&] {
            const auto last = s.rule(0).last_evaluation;
            return std::abs(last - time) < 600'000 && s.alerts(1).size() == 1;
        });
    };
    s.manager->start();
    REQUIRE(evaluated_around(nowMs()));
    for (const std::int64_t hours : {5, 0, -48}) {
        jump = hours * 3'600'000;
        REQUIRE(evaluated_around(nowMs()));
        CHECK(s.alerts(0).at(0).state == AlertState::pending);
        CHECK(nowMs() - s.alerts(0).at(0).active_at < 600'000);
        CHECK(s.rule(0).health == Health::ok);
    }
    CHECK(eventually([&] { return s.alerts(1).at(0).state == AlertState::firing; }));
    CHECK(s.alerts(0).at(0).state == AlertState::pending);
    s.manager->stop();
}
