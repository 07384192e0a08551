#include "collector/notify/routes.h"

#include <algorithm>

#include "collector/notify/dispatcher.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"

using namespace lapwing;

namespace {

using Texts = std::vector<std::string>;

Texts texts(const config::Reader& reader) {
    Texts out;
    for (const auto& problem : reader.problems()) {
        out.push_back(problem.toString());
    }
    return out;
}

constexpr const char* kReceivers =
    R"(webhook: [ { name: phone, url: "http://127.0.0.1:1/" }, { url: "http://127.0.0.1:2/" } ]
email: [ { name: ops, to: [ a@b, c@d ], from: a@b, smtp: "mail:25" } ]
)";

notify::Config read(const std::string& routes, config::Reader& reader) {
    notify::Config out;
    notify::readConfig(reader.text(kReceivers + routes, "c.yaml"), out);
    return out;
}

/// The receivers that get an alert, and in brackets those that stand in.
Texts told(const notify::Config& config, const Labels& alert) {
    Texts out;
    for (const auto& name : notify::receiverNames(config)) {
        const auto part = notify::partOf(config.routes, name, alert);
        if (part.addressed) {
            out.push_back(name);
        } else if (!part.stands_in.empty()) {
            out.push_back("(" + name + ")");
        }
    }
    return out;
}

Labels alert(const std::string& severity, const std::string& instance = "web-01") {
    return Labels{{"alertname", "Down"}, {"severity", severity}, {"instance", instance}};
}

Texts judged(const std::string& routes, const std::vector<Labels>& alerts = {}) {
    config::Reader reader;
    const auto config = read(routes, reader);
    REQUIRE(texts(reader).empty());
    notify::judgeRoutes(reader.text(kReceivers + routes, "c.yaml"), config, alerts);
    return texts(reader);
}

}  // namespace

TEST_CASE("the first route that matches takes an alert, and one that continues lets others have it") {
    config::Reader reader;
    const auto config = read(R"(routes:
  - { match: [ instance=db-01 ], to: ops, continue: on }
  - { match: [ severity=critical, 'instance=~web-.*|db-.*' ], to: phone, alternative: "webhook[1]", alternative_after: 2m }
  - { match: [ severity=critical ], to: ops }
)",
                             reader);
    REQUIRE(texts(reader).empty());
    CHECK(told(config, alert("critical")) == Texts{"phone", "(webhook[1])"});
    CHECK(config.routes[1].alternative_after_ms == 120'000);
    CHECK(told(config, alert("critical", "db-01")) == Texts{"phone", "(webhook[1])", "ops"});
    CHECK(told(config, alert("critical", "lb-01")) == Texts{"ops"});
    // No route leads it anywhere, so everybody gets it.
    CHECK(told(config, alert("warning")) == Texts{"phone", "webhook[1]", "ops"});
    CHECK(told({}, alert("warning")).empty());
    CHECK(notify::alternativesOf(config, "phone") ==
          Texts{"webhook[1] is told instead after 2m: severity=\"critical\", instance=~\"web-.*|db-.*\""});
    CHECK(notify::alternativesOf(config, "ops a@b").empty());
}

TEST_CASE("every error of a route is reported") {
    config::Reader reader;
    read(
        R"(alertmanager: [ { name: phone, url: "http://127.0.0.1:3/" }, { name: "two words", url: "http://127.0.0.1:3/" } ]
routes:
  - { match: [ severity ], to: pager }
  - { match: [ severity=warning ] }
  - { to: [ phone ], alternative: [ phone ], alternative_after: 1ms }
  - { to: [ phone ], alternative_after: 1m, stop: on }
)",
        reader);
    const auto problems = texts(reader);
    const auto has = [&](const std::string& text) {
        return std::any_of(problems.begin(), problems.end(),
                           [&](const auto& each) { return each.find(text) != std::string::npos; });
    };
    CHECK(has("alertmanager[1].name must have 1 to 64 of the signs"));
    CHECK(has("two receivers have the name phone"));
    CHECK(has("routes[0].match[0]: \"severity\" is not a matcher"));
    CHECK(has("routes[0].to: there is no receiver \"pager\"; there is phone, webhook[1], ops, phone"));
    CHECK(has("routes[1] needs `to`, the names of receivers"));
    CHECK(has("routes[2].alternative: phone is in `to` as well"));
    CHECK(has("routes[2].alternative_after must be between 1s and 1d"));
    CHECK(has("routes[3].alternative_after needs an alternative"));
    CHECK(has("unknown key \"stop\" in routes[3]"));
    CHECK(problems.size() == 9);
}

TEST_CASE("a route that no alert takes, and a receiver that none reaches, are found") {
    CHECK(judged("routes: [ { match: [ severity=critical ], to: phone } ]").empty());
    CHECK(
        judged(
            "routes:\n- { to: [ phone, ops ] }\n- { match: [ severity=critical ], to: \"webhook[1]\" }\n") ==
        Texts{"c.yaml:5:3: routes[1] is never taken: notify.routes[0] takes all of its alerts"});
    CHECK(judged("routes:\n- { match: [ severity=~c.* ], to: phone }\n"
                 "- { match: [ severity=critical, job=x ], to: phone }\n") ==
          Texts{"c.yaml:5:3: routes[1] is never taken: notify.routes[0] takes all of its alerts"});
    // One that continues takes nothing away.
    CHECK(judged("routes:\n- { match: [ severity=~c.* ], to: phone, continue: on }\n"
                 "- { match: [ severity=critical, job=x ], to: phone }\n")
              .empty());
    CHECK(judged("routes:\n- { match: [ job=x, job!=x ], to: phone }\n") ==
          Texts{"c.yaml:4:3: routes[0] is never taken: job=\"x\" and job!=\"x\" exclude each other"});
    CHECK(judged("routes:\n- { to: phone, alternative: ops }\n") ==
          Texts{"c.yaml:4:1: notify.routes: no route leads to webhook[1], and none is left over"});

    const std::vector<Labels> alerts{alert("critical"), Labels{{"alertname", "Full"}}};
    CHECK(judged("routes: [ { match: [ severity=warning, alertname=Down ], to: phone } ]", alerts).size() ==
          1);
    // A label that no rule fixes comes from the data.
    CHECK(judged("routes: [ { match: [ severity=warning, alertname=Full ], to: phone } ]", alerts).empty());
    CHECK(judged("routes: [ { match: [ alertname=Fall ], to: phone } ]", alerts) ==
          Texts{"c.yaml:3:11: routes[0] is never taken: no rule has an alert that matches"});
}
