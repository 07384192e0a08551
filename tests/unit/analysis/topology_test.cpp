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

namespace {

std::set<std::set<std::string>> sets(const topology::CutSets& cuts) {
    std::set<std::set<std::string>> out;
    for (const auto& set : cuts.sets) {
        out.insert(set.components);
    }
    return out;
}

/// A server of another backend of lb-01, as HAProxy's statistics show it.
void backend(Watched& site, const char* proxy, const char* name, const char* address, const char* role,
             const std::string& state) {
    auto labels = server(name);
    labels.set("proxy", proxy);
    site.samples.add("haproxy_server_weight", labels, 1);
    auto info = labels;
    info.set("address", address);
    info.set("role", role);
    info.set("check", "L7");
    site.samples.add("lapwing_haproxy_server_info", info);
    for (const auto* each : {"UP", "DOWN", "MAINT"}) {
        labels.set("state", each);
        site.samples.add("haproxy_server_status", labels, state == each ? 1 : 0);
    }
}

std::set<std::string> subjects(const Watched& site, const std::string& id) {
    std::set<std::string> out;
    for (const auto& finding : site.findings) {
        if (finding.id == id) {
            out.insert(finding.subject);
        }
    }
    return out;
}

}  // namespace

TEST_CASE("the topology has cut sets, and each edge names its sources") {
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
    CHECK(model.service(topology::ServiceKind::read)->design.singles() ==
          std::set<std::string>{"haproxy@lb-01", "lb-01"});
    CHECK(model.service(topology::ServiceKind::write)->design.singles() ==
          std::set<std::string>{"haproxy@lb-01", "lb-01", "mysql@web-01", "web-01"});
    CHECK(sets(model.service(topology::ServiceKind::replication)->design).contains({"web-01", "web-02"}));
    CHECK(model.service(topology::ServiceKind::monitoring)->design.singles() ==
          std::set<std::string>{"collector@monitor", "monitor"});
    CHECK(model.service(topology::ServiceKind::read)->now.works == Truth::yes);
    CHECK(site.find("R1")->confidence == Confidence::confirmed);
    CHECK(site.find("R11")->severity == Severity::medium);
    for (const auto* id : {"R2", "R3", "R4", "R5", "R8", "R13"}) {
        INFO(id);
        CHECK(site.find(id) == nullptr);
    }
}

TEST_CASE("R2 and R4: a down or drained server leaves a single server until it returns") {
    Watched site;
    const auto* state = GENERATE("DOWN", "DRAIN");
    site.state("web-02", state);
    site.round();
    REQUIRE(site.find("R2") != nullptr);
    CHECK(site.find("R2")->severity == Severity::critical);
    REQUIRE(site.find("R4") != nullptr);
    CHECK(site.find("R4")->subject == "lb-01/web");
    CHECK(site.analyst->moment()
              ->model.service(topology::ServiceKind::read)
              ->now.singles()
              .contains("web@web-01"));
    CHECK(site.edge("haproxy@lb-01", "web@web-01").works == Truth::yes);
    CHECK(site.edge("haproxy@lb-01", "web@web-02").works == Truth::no);
    site.state("web-02", "UP");
    site.round();
    CHECK(site.edge("haproxy@lb-01", "web@web-02").works == Truth::yes);
    CHECK(site.find("R2") == nullptr);
    CHECK(site.find("R4") == nullptr);
}

TEST_CASE("R4: a server with weight 0 does not count as a second server") {
    Watched site;
    site.detail("web-02", "active", "L7", 0);
    site.round();
    REQUIRE(site.find("R4") != nullptr);
    CHECK(site.find("R4")->evidence.at(0).text == "web/web-02 has weight 0");
}

TEST_CASE("R2 and R4: a backup that is ready is the spare of its backend") {
    Watched site;
    backend(site, "pair", "main", "10.77.0.11:8080", "active", "UP");
    backend(site, "pair", "page", "10.77.0.12:8080", "backup", "UP");
    site.round();
    CHECK(subjects(site, "R2").empty());
    CHECK(subjects(site, "R4").empty());
    CHECK(site.edge("haproxy@lb-01", "web@web-02").works == Truth::yes);

    backend(site, "pair", "page", "10.77.0.12:8080", "backup", "DOWN");
    site.round();
    CHECK(subjects(site, "R2") == std::set<std::string>{"lb-01/pair"});
    CHECK(subjects(site, "R4") == std::set<std::string>{"lb-01/pair"});
    CHECK(site.find("R2")->title == "Backend pair has no spare: if web-01 fails, its requests fail");
    CHECK(site.find("R2")->evidence.at(1).source == "what if web-01 fails");
    CHECK(site.find("R4")->title == "Backend pair has lost its backup: page is out of use");
    CHECK(site.find("R4")->remedy.find("set server") == std::string::npos);
}

TEST_CASE("R2 and R4 name the degraded backend, not another on the same hosts") {
    Watched site;
    // The server page on web-02 is the only one left of the backend sorry.
    backend(site, "sorry", "main", "10.77.0.11:81", "active", "DOWN");
    backend(site, "sorry", "page", "10.77.0.12:80", "backup", "UP");
    site.round();
    CHECK(subjects(site, "R2") == std::set<std::string>{"lb-01/sorry"});
    CHECK(subjects(site, "R4") == std::set<std::string>{"lb-01/sorry"});
    const auto moment = site.analyst->moment();
    CHECK(moment->model.components.at("web@web-01").works == Truth::yes);
    CHECK(moment->model.service(topology::ServiceKind::read)->now.works == Truth::yes);
    CHECK_FALSE(moment->model.service(topology::ServiceKind::read)->now.singles().contains("web@web-02"));

    // Without the last server, that backend is stopped; whether the entry needs it is unknown.
    backend(site, "sorry", "page", "10.77.0.12:80", "backup", "DOWN");
    site.round();
    CHECK(subjects(site, "R4") == std::set<std::string>{"lb-01/sorry"});
    CHECK(site.analyst->moment()->model.service(topology::ServiceKind::read)->now.works == Truth::unknown);
}

TEST_CASE("R4: a server out of use, whose backup serves, is named with its backend") {
    Watched site;
    backend(site, "pair", "main", "10.77.0.11:8080", "active", "MAINT");
    backend(site, "pair", "page", "10.77.0.12:8080", "backup", "UP");
    site.round();
    REQUIRE(site.find("R4") != nullptr);
    CHECK(site.find("R4")->title == "Backend pair runs on its backup: main is out of use");
    CHECK(site.find("R4")->evidence.at(0).text == "pair/main is MAINT");
    CHECK(site.find("R4")->remedy.find("set server pair/main state ready") != std::string::npos);
}

TEST_CASE("a free slot of server-template is no server of its backend") {
    Watched site;
    backend(site, "dns", "srv1", "10.77.0.11:8080", "active", "UP");
    backend(site, "dns", "srv2", "10.77.0.12:8080", "active", "UP");
    backend(site, "dns", "srv3", "", "active", "MAINT");
    site.round();
    CHECK(subjects(site, "R2").empty());
    CHECK(subjects(site, "R4").empty());
    CHECK_FALSE(site.analyst->moment()->model.components.contains("web@srv3"));
}

TEST_CASE("R3: the addresses of two servers belong to one host") {
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
    CHECK(site.analyst->moment()
              ->model.service(topology::ServiceKind::read)
              ->design.singles()
              .contains("web-01"));

    // Renaming the backend clears the findings of the old name.
    for (const auto* name : {"web-01", "web-02"}) {
        auto info = server(name);
        info.set("address", std::string(name) == "web-01" ? "10.77.0.11:80" : "10.77.0.111:80");
        site.samples.end("lapwing_haproxy_server_info", info);
        info.set("role", "active");
        info.set("check", "L7");
        auto weight = server(name);
        auto now = server(name);
        now.set("state", "UP");
        for (auto* labels : {&info, &weight, &now}) {
            const auto* metric = labels == &info     ? "lapwing_haproxy_server_info"
                                 : labels == &weight ? "haproxy_server_weight"
                                                     : "haproxy_server_status";
            site.samples.end(metric, *labels);
            labels->set("proxy", "renamed");
            site.samples.add(metric, *labels);
        }
    }
    site.round();
    REQUIRE(site.find("R3") != nullptr);
    CHECK(site.find("R3")->subject == "lb-01/renamed");
    CHECK(std::count_if(site.findings.begin(), site.findings.end(),
                        [](const auto& one) { return one.id == "R3"; }) == 1);
}

namespace {

/// Adds one route of the Nginx on a host.
void route(Watched& site, const char* host, const char* port, const char* names, const char* upstream,
           const char* address, const char* role = "active") {
    site.samples.add("lapwing_nginx_route_info", Labels{{"agent", host},
                                                        {"instance", host},
                                                        {"job", "inventory"},
                                                        {"port", port},
                                                        {"server_names", names},
                                                        {"default_server", *names == 0 ? "yes" : ""},
                                                        {"upstream", upstream},
                                                        {"address", address},
                                                        {"role", role}});
}

using Needed = std::vector<std::set<std::string>>;

Needed neededBy(const Watched& site, const char* web) {
    const auto& known = site.analyst->moment()->model.apps_of_web;
    const auto found = known.find(web);
    return found == known.end() ? Needed{} : found->second;
}

}  // namespace

TEST_CASE("the configuration of Nginx determines the applications of a web server") {
    Watched site;
    SECTION("only the configured application counts") {
        route(site, "web-01", "80", "", "127.0.0.1:8000", "127.0.0.1:8000");
        site.round();
        CHECK(neededBy(site, "web@web-01") == Needed{{"app@web-01"}});
        CHECK(site.edge("web@web-01", "app@web-01").sources.front().source ==
              "Nginx configuration of web-01");
    }
    SECTION("any server of a group suffices, every group is needed, and a down server does not count") {
        route(site, "web-01", "80", "", "app", "127.0.0.1:8000");
        route(site, "web-01", "80", "", "app", "10.77.0.12:8000", "backup");
        route(site, "web-01", "80", "", "app", "10.77.0.99:8000", "down");
        route(site, "web-01", "80", "", "api", "[fd00::5]:9000");
        site.round();
        CHECK(neededBy(site, "web@web-01") == Needed{{"app@fd00::5"}, {"app@web-01", "app@web-02"}});
        CHECK(site.edge("web@web-01", "app@10.77.0.99").works == Truth::no);
        CHECK(site.edge("app@fd00::5", "fd00::5").kind == topology::EdgeKind::runs_on);
    }
    SECTION("only routes for the port and the name of the site's entry count") {
        site.site.entry = {"http://www.example.org/"};
        route(site, "web-01", "80", "", "other", "10.77.0.97:8000");
        route(site, "web-01", "80", "example.org *.example.org", "app", "unix:/run/app.sock");
        route(site, "web-01", "8080", "", "inner", "10.77.0.98:8000");
        site.round();
        CHECK(neededBy(site, "web@web-01") == Needed{{"app@web-01"}});
    }
    SECTION("an Nginx that answers by itself needs no application") {
        route(site, "web-01", "80", "", "", "");
        site.round();
        CHECK(neededBy(site, "web@web-01").empty());
        CHECK(neededBy(site, "web@web-02") == Needed{{"app@web-02"}});
    }
    SECTION("with a variable as upstream, observed connections decide") {
        route(site, "web-01", "80", "", "$backend", "", "");
        site.round();
        CHECK(neededBy(site, "web@web-01") == Needed{{"app@web-01"}});
        CHECK(site.edge("web@web-01", "app@web-01").sources.front().source == "sockets of web-01");
    }
    SECTION("a connection to an application outside the configuration is a conflict") {
        route(site, "web-01", "80", "", "app", "127.0.0.1:8000");
        site.samples.add("lapwing_listener_info", Labels{{"agent", "web-02"},
                                                         {"instance", "web-02"},
                                                         {"protocol", "tcp"},
                                                         {"family", "ipv4"},
                                                         {"address", "0.0.0.0"},
                                                         {"port", "9000"},
                                                         {"process", "gunicorn"}});
        site.samples.add("lapwing_outgoing_connections", Labels{{"agent", "web-01"},
                                                                {"instance", "web-01"},
                                                                {"job", "sockets"},
                                                                {"address", "10.77.0.12"},
                                                                {"port", "9000"}});
        site.round();
        CHECK(neededBy(site, "web@web-01") == Needed{{"app@web-01"}});
        const auto& conflicts = site.analyst->moment()->model.conflicts;
        REQUIRE(conflicts.size() == 1);
        CHECK(conflicts.front().subject == "web@web-01");
        CHECK(conflicts.front().text.find("app@web-02") != std::string::npos);
    }
}

TEST_CASE("web servers that all pass requests to each other are followed up to a limit") {
    Watched site;
    site.options.budget = std::chrono::minutes(2);  // a sanitizer needs more than a round has
    constexpr int server_count = 12;
    const auto address = [](int server) { return "10.77.1." + std::to_string(server + 1); };
    const auto name = [](int server) { return "inner-" + std::to_string(server + 10); };
    for (int i = 0; i < server_count; ++i) {
        site.samples.web(name(i), address(i), "10.78.1." + std::to_string(i + 1), kNoRules);
        const auto upstream = address(i) + ":80";
        const auto server = name(i);
        site.detail(server.c_str(), "active", "L7", 1, upstream.c_str());
        site.state(server.c_str(), "UP");
        for (int other = 0; other < server_count; ++other) {
            if (other != i) {
                const auto host = name(other);
                route(site, host.c_str(), "80", "", "all", upstream.c_str());
            }
        }
    }
    site.round();
    const auto* reading = site.analyst->moment()->model.service(topology::ServiceKind::read);
    REQUIRE(reading != nullptr);
    CHECK(std::find(reading->not_assessed.begin(), reading->not_assessed.end(),
                    "web servers behind further web servers: there are too many ways") !=
          reading->not_assessed.end());
    CHECK(reading->design.singles().contains("haproxy@lb-01"));
}

TEST_CASE("R3: two Nginx servers share one application") {
    Watched site;
    route(site, "web-01", "80", "", "app", "127.0.0.1:8000");
    route(site, "web-02", "80", "", "app", "10.77.0.11:8000");
    site.round();
    const auto* shared = site.find("R3");
    REQUIRE(shared != nullptr);
    CHECK(shared->severity == Severity::high);
    REQUIRE(shared->evidence.size() == 2);
    CHECK(shared->evidence[1].text ==
          "web@web-02 answers with the help of app@web-01 alone (upstream app: 10.77.0.11:8000)");
    CHECK(site.analyst->moment()
              ->model.service(topology::ServiceKind::read)
              ->design.singles()
              .contains("app@web-01"));

    // With a second server in the group, either application suffices.
    route(site, "web-02", "80", "", "app", "127.0.0.1:8000");
    site.round();
    CHECK(site.find("R3") == nullptr);
}

TEST_CASE("R3: one machine has two names, but a clone of its image is a separate machine") {
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

TEST_CASE("R5: no health check, or only a TCP check") {
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

TEST_CASE("R5: an application that fails while its server is UP, once HAProxy has had time to notice") {
    Watched site;
    const Labels app{
        {"agent", "web-02"}, {"instance", "web-02"}, {"job", "app"}, {"url", "http://127.0.0.1:8000/"}};
    for (int seconds = 0; seconds <= 90; seconds += 10) {
        INFO(seconds);
        site.samples.add("probe_success", app, seconds < 20 ? 1 : 0);
        site.round();
        CHECK((site.find("R5") != nullptr) == (seconds >= 80));
    }
    CHECK(site.find("R5")->evidence.front().source == "application probe of web-02");
    site.samples.add("probe_success", app, 1);
    site.round();
    CHECK(site.find("R5") == nullptr);
}

TEST_CASE("R11: an external watchdog clears it, and a collector on a host of the site makes it worse") {
    Watched site;
    SECTION("with an external watchdog") {
        site.options.setup.watchdog = true;
        site.round();
        CHECK(site.find("R11") == nullptr);
    }
    SECTION("the collector runs on the primary's host") {
        site.options.setup.collector_host = "web-01";
        site.round();
        REQUIRE(site.find("R11") != nullptr);
        CHECK(site.find("R11")->severity == Severity::high);
    }
}

TEST_CASE("R13: a server's share of the requests differs from its weight") {
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
        // HAProxy restarts in between.
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

namespace {

void haproxyServer(SiteSamples& samples, const char* proxy, const char* name, const char* address,
                   const char* state, const char* role, const char* check) {
    auto labels = server(name);
    labels.set("proxy", proxy);
    auto status = labels;
    status.set("state", state);
    samples.add("haproxy_server_status", status);
    labels.set("address", address);
    labels.set("role", role);
    labels.set("check", check);
    samples.add("lapwing_haproxy_server_info", labels);
}

}  // namespace

TEST_CASE("the servers of a backend in front of MySQL are databases") {
    Watched site;
    haproxyServer(site.samples, "mysql", "one", "10.77.0.11:3306", "UP", "active", "L4");
    haproxyServer(site.samples, "mysql", "two", "10.77.0.12:3306", "UP", "active", "L4");
    site.round();
    CHECK(site.edge("haproxy@lb-01", "mysql@web-01").kind == topology::EdgeKind::balances);
    const auto* unnoticed = site.find("R5");
    REQUIRE(unnoticed != nullptr);
    CHECK(unnoticed->subject == "lb-01/mysql");
    CHECK(unnoticed->remedy.find("mysql-check") != std::string::npos);
    CHECK(unnoticed->remedy.find("httpchk") == std::string::npos);
    // Both must fail, or the web servers, before reading stops.
    const auto reads = sets(site.analyst->moment()->model.service(topology::ServiceKind::read)->design);
    CHECK(reads.contains({"mysql@web-01", "mysql@web-02"}));
    CHECK(reads.contains({"web@web-01", "web@web-02"}));
}

TEST_CASE("R5: a failing application says nothing about a backend of databases") {
    Watched site;
    haproxyServer(site.samples, "mysql", "one", "10.77.0.11:3306", "UP", "active", "L7");
    haproxyServer(site.samples, "mysql", "two", "10.77.0.12:3306", "UP", "active", "L7");
    const Labels app{
        {"agent", "web-02"}, {"instance", "web-02"}, {"job", "app"}, {"url", "http://127.0.0.1/"}};
    for (int seconds = 0; seconds <= 90; seconds += 10) {
        site.samples.add("probe_success", app, 0);
        site.state("web-02", "DOWN");
        site.round();
        CHECK(site.find("R5") == nullptr);
    }
}

TEST_CASE("a server at a Unix socket is on the load balancer's host, and a free slot is no server") {
    Watched site;
    haproxyServer(site.samples, "edge", "inner", "unix", "UP", "active", "none");
    haproxyServer(site.samples, "edge-abstract", "inner", "abns@inner", "UP", "active", "none");
    haproxyServer(site.samples, "web", "web-03", "", "MAINT", "active", "");
    site.round();
    const auto& model = site.analyst->moment()->model;
    CHECK_FALSE(model.components.contains("inner"));
    CHECK_FALSE(model.components.contains("web-03"));
    REQUIRE(model.pools.size() == 1);
    CHECK(model.pools.front().members.size() == 2);
    for (const auto* id : {"R2", "R4", "R5"}) {
        INFO(id);
        CHECK(site.find(id) == nullptr);
    }
}

TEST_CASE("a server at a loopback address is on the load balancer's host, whatever its name") {
    Watched site;
    haproxyServer(site.samples, "beside", "here", "127.0.0.1:8080", "UP", "active", "L7");
    haproxyServer(site.samples, "beside", "there", "10.77.0.12:8080", "UP", "active", "L7");
    site.round();
    CHECK(site.edge("haproxy@lb-01", "web@lb-01").kind == topology::EdgeKind::balances);
    CHECK_FALSE(site.analyst->moment()->model.components.contains("here"));
}

TEST_CASE("R1: Nginx is the load balancer") {
    SiteSamples samples;
    samples.web("web-01", "10.77.0.11", "10.77.0.111", kNoRules);
    samples.web("web-02", "10.77.0.12", "10.77.0.112", kNoRules);
    samples.agent("lb-01", kNoRules);
    samples.address("lb-01", "10.77.0.10");
    samples.listener("lb-01", reach::Family::ipv4, "0.0.0.0", "80", "nginx");
    const auto route = [&](const char* host, const char* upstream, const char* address) {
        samples.own(host, "nginx_up", {{"job", "nginx"}});
        samples.own(host, "lapwing_nginx_route_info",
                    {{"job", "inventory"},
                     {"port", "80"},
                     {"server_names", ""},
                     {"default_server", "yes"},
                     {"upstream", upstream},
                     {"address", address},
                     {"role", "active"}});
    };
    route("lb-01", "web", "10.77.0.11:80");
    route("lb-01", "web", "10.77.0.12:80");
    route("web-01", "127.0.0.1:8000", "127.0.0.1:8000");
    route("web-02", "127.0.0.1:8000", "127.0.0.1:8000");
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site(), {});
    REQUIRE(analyst.run(samples.now + 1'000));
    const auto findings = analyst.findings();
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [](const auto& finding) { return finding.id == "R1"; });
    REQUIRE(found != findings.end());
    CHECK(found->subject == "nginx@lb-01");
    CHECK(found->confidence == Confidence::confirmed);
    CHECK(found->evidence.front().source == "Nginx configuration of lb-01");
    CHECK(found->evidence.front().text.find("over 2 hosts: web/10.77.0.11:80") != std::string::npos);
    const auto bypass = std::find_if(findings.begin(), findings.end(), [](const auto& finding) {
        return finding.id == "F4" && finding.subject == "nginx@web-01";
    });
    REQUIRE(bypass != findings.end());
    CHECK(bypass->remedy.find("load balancer (lb-01)") != std::string::npos);
    CHECK(bypass->remedy.find("10.77.0.10") != std::string::npos);
    const auto moment = analyst.moment();
    const auto* reading = moment->model.service(topology::ServiceKind::read);
    CHECK(reading->design.singles() == std::set<std::string>{"lb-01", "nginx@lb-01"});
    CHECK(sets(reading->design).contains({"web@web-01", "web@web-02"}));
    CHECK(sets(reading->design).contains({"app@web-01", "web@web-02"}));
    // A second load balancer clears it.
    const auto second = moment->suppose({{topology::ComponentKind::haproxy, "lb-02"}});
    const auto& left = second.service(topology::ServiceKind::read)->design;
    CHECK(left.singles().empty());
    // Whether it passes a request on when a web server answers 502 is not known, and whether it withdraws
    // servers whose writes fail.
    CHECK(left.singles(false) ==
          std::set<std::string>{"app@web-01", "app@web-02", "mysql@web-01", "mysql@web-02", "web-01"});
}

TEST_CASE("what if: failures, additions, and names that do not exist") {
    Watched site;
    site.round();
    const auto moment = site.analyst->moment();
    const auto outcome = [](const topology::WhatIf& answer, topology::ServiceKind service) {
        return std::find_if(answer.outcomes.begin(), answer.outcomes.end(),
                            [&](const auto& one) { return one.service == service; });
    };
    const auto lost = topology::whatIf(*moment, {"web-01"}, {});
    REQUIRE(lost);
    CHECK(lost->stopped == std::set<std::string>{"app@web-01", "mysql@web-01", "web@web-01"});
    CHECK(outcome(*lost, topology::ServiceKind::read)->after == Truth::yes);
    CHECK(outcome(*lost, topology::ServiceKind::write)->after == Truth::no);
    CHECK(outcome(*lost, topology::ServiceKind::read)->design.singles().contains("web@web-02"));

    const auto second =
        topology::whatIf(*moment, {"haproxy@lb-01"}, {*topology::parseAddition("haproxy@lb-02")});
    REQUIRE(second);
    CHECK(outcome(*second, topology::ServiceKind::read)->after == Truth::yes);
    const auto healthy = topology::whatIf(*moment, {}, {*topology::parseAddition("haproxy@lb-02")});
    CHECK(outcome(*healthy, topology::ServiceKind::read)->design.singles().empty());
    CHECK(outcome(*healthy, topology::ServiceKind::read)->design.singles(false) ==
          std::set<std::string>{"mysql@web-01", "mysql@web-02"});

    CHECK_FALSE(topology::whatIf(*moment, {"web-09"}, {}));
    CHECK(topology::whatIf(*moment, {"web-09"}, {}).error().message.find("haproxy@lb-01") !=
          std::string::npos);
    CHECK_FALSE(topology::parseAddition("teapot@lb-02"));
    CHECK_FALSE(topology::parseAddition("haproxy@"));
    CHECK_FALSE(topology::parseAddition("haproxy"));
}
