#include <algorithm>

#include "collector/analysis/analyst.h"
#include "collector/analysis/topology/what_if.h"
#include "tests/unit/analysis/watched_site.h"

using namespace lapwing;
using namespace lapwing::analysis;
using test::kNoRules;
using test::server;
using test::SiteSamples;
using test::Watched;
using topology::Truth;

namespace {

std::set<std::set<std::string>> sets(const redundancy::CutSets& cuts) {
    std::set<std::set<std::string>> out;
    for (const auto& set : cuts.sets) {
        out.insert(set.components);
    }
    return out;
}

}  // namespace

TEST_CASE("the topology of the site, with its cut sets and where each edge was seen") {
    Watched site;
    site.round();
    const auto moment = site.analyst->moment();
    const auto& model = moment->model;
    for (const auto* id :
         {"address@10.77.0.10", "haproxy@lb-01", "lb-01", "web@web-01", "app@web-01", "mysql@web-01",
          "web-01", "web@web-02", "mysql@web-02", "collector@monitor", "monitor"}) {
        INFO(id);
        CHECK(model.components.contains(id));
    }
    CHECK(std::all_of(model.edges.begin(), model.edges.end(),
                      [](const auto& edge) { return !edge.sources.empty(); }));
    CHECK(model.conflicts.empty());
    CHECK(model.service("read")->design.singles() == std::set<std::string>{"haproxy@lb-01", "lb-01"});
    CHECK(model.service("write")->design.singles() ==
          std::set<std::string>{"haproxy@lb-01", "lb-01", "mysql@web-01", "web-01"});
    CHECK(sets(model.service("replication")->design).contains({"web-01", "web-02"}));
    CHECK(model.service("monitoring")->design.singles() ==
          std::set<std::string>{"collector@monitor", "monitor"});
    CHECK(model.service("read")->now.works == Truth::yes);
    CHECK(site.find("R1")->confidence == Confidence::confirmed);
    CHECK(site.find("R11")->severity == Severity::medium);
    for (const auto* id : {"R2", "R3", "R4", "R5", "R8", "R13"}) {
        INFO(id);
        CHECK(site.find(id) == nullptr);
    }
}

TEST_CASE("R2 and R4: a server that is down or drained leaves one, until it is back") {
    Watched site;
    const auto* state = GENERATE("DOWN", "DRAIN");
    site.state("web-02", state);
    site.round();
    REQUIRE(site.find("R2") != nullptr);
    CHECK(site.find("R2")->severity == Severity::critical);
    REQUIRE(site.find("R4") != nullptr);
    CHECK(site.find("R4")->subject == "lb-01/web");
    CHECK(site.analyst->moment()->model.service("read")->now.singles().contains("web@web-01"));
    CHECK(site.edge("haproxy@lb-01", "web@web-01").works == Truth::yes);
    CHECK(site.edge("haproxy@lb-01", "web@web-02").works == Truth::no);
    site.state("web-02", "UP");
    site.round();
    CHECK(site.edge("haproxy@lb-01", "web@web-02").works == Truth::yes);
    CHECK(site.find("R2") == nullptr);
    CHECK(site.find("R4") == nullptr);
}

TEST_CASE("R4: a server with weight 0 is no second server in use") {
    Watched site;
    site.detail("web-02", "active", "L7", 0);
    site.round();
    REQUIRE(site.find("R4") != nullptr);
    CHECK(site.find("R4")->evidence.at(0).text == "web/web-02 has weight 0");
}

TEST_CASE("R3: two servers on one host, by address") {
    Watched site;
    site.samples.end("lapwing_haproxy_server_info", [] {
        auto labels = server("web-02");
        labels.set("address", "10.77.0.12:80");
        return labels;
    }());
    auto old = server("web-02");
    old.set("address", "10.77.0.12:80");
    old.set("role", "active");
    old.set("check", "L7");
    site.samples.end("lapwing_haproxy_server_info", old);
    site.samples.now += 10;
    site.detail("web-02", "active", "L7", 1, "10.77.0.111:80");
    site.round();
    REQUIRE(site.find("R3") != nullptr);
    CHECK(site.find("R3")->severity == Severity::high);
    REQUIRE(site.find("R2") != nullptr);
    CHECK(site.find("R2")->severity == Severity::high);
    CHECK(site.analyst->moment()->model.service("read")->design.singles().contains("web-01"));
}

TEST_CASE("R3: one machine behind two names, but not a clone of its image") {
    Watched site;
    const bool one_machine = GENERATE(true, false);
    for (const auto* host : {"web-01", "web-02"}) {
        const Labels self{{"agent", host}, {"instance", host}};
        auto info = self;
        info.set("job", "agent");
        info.set("machine_id", "abc");
        site.samples.add("lapwing_agent_info", info);
        auto node = self;
        node.set("job", "node");
        site.samples.add("node_boot_time_seconds", node,
                         std::string(host) == "web-01" || one_machine ? 1000 : 5000);
    }
    site.round();
    CHECK((site.find("R3") != nullptr) == one_machine);
    CHECK(site.analyst->moment()->model.conflicts.empty() == one_machine);
}

TEST_CASE("R5: a check that is none or only a connection") {
    Watched site;
    for (const auto* name : {"web-01", "web-02"}) {
        auto old = server(name);
        old.set("address", std::string(name) == "web-01" ? "10.77.0.11:80" : "10.77.0.12:80");
        old.set("role", "active");
        old.set("check", "L7");
        site.samples.end("lapwing_haproxy_server_info", old);
    }
    site.samples.now += 10;
    site.detail("web-01", "active", "L4", 1);
    site.detail("web-02", "active", "none", 1);
    site.round();
    REQUIRE(site.find("R5") != nullptr);
    CHECK(site.find("R5")->evidence.size() == 2);
}

TEST_CASE("R11 goes with a heartbeat that somebody outside hears, and is worse on a host of the site") {
    Watched site;
    SECTION("a heartbeat") {
        site.options.setup.watchdog = true;
        site.round();
        CHECK(site.find("R11") == nullptr);
    }
    SECTION("on the primary's host") {
        site.options.setup.collector_host = "web-01";
        site.round();
        REQUIRE(site.find("R11") != nullptr);
        CHECK(site.find("R11")->severity == Severity::high);
    }
}

TEST_CASE("R13: what each server was given, against its weight") {
    Watched site;
    const bool even = GENERATE(true, false);
    double first = 1000;
    double second = 1000;
    site.samples.add("lapwing_haproxy_backend_info", {{"agent", "web-01"},
                                                      {"instance", "lb-01"},
                                                      {"job", "haproxy"},
                                                      {"proxy", "web"},
                                                      {"algorithm", "roundrobin"}});
    for (int i = 0; i < 60; ++i) {
        // HAProxy is restarted on the way.
        first = i == 30 ? 10 : first + 10;
        second = i == 30 ? (even ? 10 : 4) : second + (even ? 10 : 4);
        site.samples.add("haproxy_server_loadbalanced_total", server("web-01"), first);
        site.samples.add("haproxy_server_loadbalanced_total", server("web-02"), second);
        for (const auto* name : {"web-01", "web-02"}) {
            site.state(name, "UP");
            site.samples.add("haproxy_server_weight", server(name), 1);
        }
        site.samples.write();
        site.samples.now += 10'000;
    }
    site.samples.now -= 10'000;
    site.samples.everything(kNoRules, true, "silent");
    site.samples.add("lapwing_haproxy_backend_info", {{"agent", "web-01"},
                                                      {"instance", "lb-01"},
                                                      {"job", "haproxy"},
                                                      {"proxy", "web"},
                                                      {"algorithm", "roundrobin"}});
    site.round();
    REQUIRE((site.find("R13") != nullptr) == !even);
    if (!even) {
        CHECK(site.find("R13")->confidence == Confidence::suspected);
        CHECK(site.find("R13")->evidence.at(0).text ==
              "web/web-01 got 71 % of the last ten minutes' requests, by its weight it is due 50 %");
    }
}

TEST_CASE("what if: failures, additions, and names that do not exist") {
    Watched site;
    site.round();
    const auto moment = site.analyst->moment();
    const auto outcome = [](const topology::WhatIf& answer, const std::string& service) {
        return std::find_if(answer.outcomes.begin(), answer.outcomes.end(),
                            [&](const auto& one) { return one.service == service; });
    };
    const auto lost = topology::whatIf(*moment, {"web-01"}, {});
    REQUIRE(lost);
    CHECK(lost->stopped == std::set<std::string>{"app@web-01", "mysql@web-01", "web@web-01"});
    CHECK(outcome(*lost, "read")->after == Truth::yes);
    CHECK(outcome(*lost, "write")->after == Truth::no);
    CHECK(outcome(*lost, "read")->design.singles().contains("web@web-02"));

    const auto second =
        topology::whatIf(*moment, {"haproxy@lb-01"}, {*topology::parseAddition("haproxy@lb-02")});
    REQUIRE(second);
    CHECK(outcome(*second, "read")->after == Truth::yes);
    const auto healthy = topology::whatIf(*moment, {}, {*topology::parseAddition("haproxy@lb-02")});
    CHECK(outcome(*healthy, "read")->design.singles(false).empty());

    CHECK_FALSE(topology::whatIf(*moment, {"web-09"}, {}));
    CHECK(topology::whatIf(*moment, {"web-09"}, {}).error().message.find("haproxy@lb-01") !=
          std::string::npos);
    CHECK_FALSE(topology::parseAddition("teapot@lb-02"));
    CHECK_FALSE(topology::parseAddition("haproxy@"));
    CHECK_FALSE(topology::parseAddition("haproxy"));
}
