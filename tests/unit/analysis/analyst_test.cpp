#include "collector/analysis/analyst.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "common/model/documents.h"
#include "common/reach/ruleset.h"
#include "tests/unit/analysis/site_samples.h"
#include "tests/unit/analysis/watched_site.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::analysis;
using test::SiteSamples;

namespace {

const Finding* find(const std::vector<Finding>& findings, const std::string& id, const std::string& subject) {
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const auto& one) { return one.id == id && one.subject == subject; });
    return found == findings.end() ? nullptr : &*found;
}

std::vector<std::string> names(const std::vector<Finding>& findings) {
    std::vector<std::string> out;
    for (const auto& finding : findings) {
        out.push_back(finding.id + " " + finding.subject);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::set<std::string> sources(const Finding& finding) {
    std::set<std::string> out;
    for (const auto& line : finding.evidence) {
        out.insert(line.source);
    }
    return out;
}

/// Values of lapwing_finding in the store by "id subject severity confidence", without staleness markers.
std::vector<std::string> storedAt(storage::Store& store, TimestampMs at) {
    storage::Matchers matchers;
    matchers.push_back(
        *storage::Matcher::create(storage::Matcher::Type::equal, "__name__", "lapwing_finding"));
    const auto found = store.select(matchers, at, at, 1000);
    REQUIRE(found);
    std::vector<std::string> out;
    for (const auto& series : *found) {
        if (!isStaleNaN(series.samples.at(0).value)) {
            out.push_back(std::string(series.labels->get("id")) + " " +
                          std::string(series.labels->get("subject")) + " " +
                          std::string(series.labels->get("severity")) + " " +
                          std::string(series.labels->get("confidence")));
        }
    }
    return out;
}

}  // namespace

TEST_CASE("a site without a firewall has findings, each with two sources and a remedy") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    CHECK(names(findings) == std::vector<std::string>{"F1 web-01", "F1 web-02", "F13 web-01", "F13 web-02",
                                                      "F14 lb-01", "F2 mysql@web-01", "F2 mysql@web-02",
                                                      "F4 nginx@web-01", "F4 nginx@web-02",
                                                      "R1 haproxy@lb-01"});
    for (const auto& finding : findings) {
        INFO(finding.id << " " << finding.subject);
        CHECK(finding.since == samples.now);
        CHECK_FALSE(finding.remedy.empty());
        CHECK_FALSE(finding.not_assessed.empty());
        // No attempt has covered the web port or outgoing connections.
        if (finding.id != "F14" && finding.id != "F4" && finding.id != "F13") {
            CHECK(finding.confidence == Confidence::confirmed);
            CHECK(sources(finding).size() >= 2);
        }
    }
    const auto* database = find(findings, "F2", "mysql@web-02");
    CHECK(database->severity == Severity::critical);
    CHECK(sources(*database) ==
          std::set<std::string>{"ruleset of web-02", "attempt from web-01", "sockets of web-02"});
    CHECK(find(findings, "F1", "web-01")->severity == Severity::high);
    CHECK(sources(*find(findings, "F1", "web-01")).contains("canary from web-02"));
    CHECK(sources(*find(findings, "R1", "haproxy@lb-01")) ==
          std::set<std::string>{"haproxy statistics of lb-01", "declared entry",
                                "sockets of web-01 and web-02"});
    CHECK(find(findings, "R1", "haproxy@lb-01")->severity == Severity::critical);
    const auto remedy = find(findings, "R1", "haproxy@lb-01")->remedy;
    INFO(remedy);
    CHECK(remedy.find("reading stops, or may stop, if mysql@web-01 or mysql@web-02 fails; writing stops, or "
                      "may stop, if mysql@web-01 or web-01 fails") != std::string::npos);
    CHECK(find(findings, "F14", "lb-01")->confidence == Confidence::unknown);
    CHECK(storedAt(samples.store(), samples.now).size() == 10);
}

TEST_CASE("a firewall clears the findings and ends their series") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));

    // The rules have changed, so earlier attempts prove nothing about them.
    samples.now += 10'000;
    samples.web("web-01", "10.77.0.11", "10.77.0.111", test::fixture("firewall/plain.json"));
    samples.web("web-02", "10.77.0.12", "10.77.0.112", test::fixture("firewall/plain.json"));
    for (const auto* host : {"web-01", "web-02"}) {
        samples.denies(host, true);
        const auto old = SiteSamples::digestOf(test::fixture("firewall/none.json"));
        samples.end("lapwing_ruleset_info",
                    {{"agent", host}, {"instance", host}, {"job", "firewall"}, {"digest", old}});
    }
    samples.write();
    const auto before = analyst.assignment("web-01");
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    // plain.json lets only 10.77.0.12 (web-02) in to port 3306. On web-02 itself, it therefore keeps web-01
    // out.
    CHECK(names(findings) == std::vector<std::string>{"F13 web-01", "F13 web-02", "F14 lb-01",
                                                      "F9 tcp/3306@web-02", "R1 haproxy@lb-01"});
    CHECK(storedAt(samples.store(), samples.now).size() == 5);
    const auto after = analyst.assignment("web-01");
    CHECK(before.version != after.version);
    CHECK(after.json.find("\"since\":" + std::to_string(samples.now * 1000)) != std::string::npos);
}

TEST_CASE("a connection that the rules should have dropped is a contradiction, not a proof") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/plain.json"), true, "open");
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    const auto* firewall = find(findings, "F1", "web-01");
    REQUIRE(firewall != nullptr);
    CHECK(firewall->confidence == Confidence::suspected);
    CHECK(firewall->title == "The firewall on web-01 let a packet in that its rules drop");
    REQUIRE(find(findings, "F2", "mysql@web-01") != nullptr);
    CHECK(find(findings, "F2", "mysql@web-01")->confidence == Confidence::suspected);
}

TEST_CASE("silence behind open rules lowers the severity by one level, if a control port answers") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "silent");
    samples.control("web-02", "web-01", false);
    samples.now += 1;
    samples.control("web-02", "web-01", false);
    samples.control("web-02", "web-01", true,
                    "fd77::11");  // an answer over IPv6 is no control for IPv4
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    CHECK(find(findings, "F1", "web-02")->severity == Severity::medium);
    CHECK(find(findings, "F1", "web-02")->confidence == Confidence::suspected);
    CHECK(find(findings, "F2", "mysql@web-02")->severity == Severity::high);
    // The control port of web-01 did not answer, so silence proves nothing.
    CHECK(find(findings, "F1", "web-01")->severity == Severity::high);
    CHECK(find(findings, "F1", "web-01")->confidence == Confidence::suspected);
    CHECK(find(findings, "F2", "mysql@web-01")->severity == Severity::critical);
    CHECK(find(findings, "F2", "mysql@web-01")->confidence == Confidence::suspected);
}

TEST_CASE("a database that has no account for the host is less exposed") {
    SiteSamples samples;
    samples.web("web-01", "10.77.0.11", "10.77.0.111", test::fixture("firewall/none.json"));
    samples.attempt("web-02", "web-01", "10.77.0.11", "3306", "10.77.0.112", "second", "open",
                    "host_not_allowed");
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    CHECK(find(analyst.findings(), "F2", "mysql@web-01")->severity == Severity::medium);
}

TEST_CASE("clients that the site declares may reach the database") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    auto site = SiteSamples::site();
    site.allow = {{"mysql", {"0.0.0.0/0"}}};
    Analyst analyst(samples.store(), site);
    REQUIRE(analyst.run(samples.now));
    CHECK(find(analyst.findings(), "F2", "mysql@web-01") == nullptr);
}

TEST_CASE("missing data clears no finding") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto later = samples.now + 600'000;
    REQUIRE(analyst.run(later));
    const auto findings = analyst.findings();
    const auto* kept = find(findings, "F2", "mysql@web-01");
    REQUIRE(kept != nullptr);
    CHECK(kept->confidence == Confidence::unknown);
    CHECK(kept->since == samples.now);
    CHECK(kept->evidence.at(0).text == "no current data: this is what was last known");
    CHECK(find(findings, "F14", "web-01")->title ==
          "What web-01 lets in is unknown: its agent does not report");
    CHECK(find(findings, "R1", "haproxy@lb-01")->confidence == Confidence::unknown);
}

TEST_CASE("a round beyond its budget, or interrupted, changes nothing") {
    test::Watched watched;
    REQUIRE_FALSE(watched.round().empty());
    const auto before = watched.findings.size();
    auto options = watched.options;
    options.budget = std::chrono::milliseconds(-1);
    Analyst hasty(watched.samples.store(), watched.site, options);
    const auto unfinished = hasty.run(watched.samples.now);
    REQUIRE_FALSE(unfinished);
    CHECK(unfinished.error().kind == ErrorKind::timeout);
    CHECK(hasty.findings().size() == before);
    watched.analyst->interrupt();
    const auto interrupted = watched.analyst->run(watched.samples.now);
    REQUIRE_FALSE(interrupted);
    CHECK(interrupted.error().kind == ErrorKind::unavailable);
    CHECK(watched.analyst->findings().size() == before);
}

TEST_CASE("a ruleset that the collector cannot read is told") {
    const auto told = [](const std::string& ruleset) {
        SiteSamples samples;
        samples.agent("web-01", ruleset);
        samples.write();
        Analyst analyst(samples.store(), SiteSamples::site());
        REQUIRE(analyst.run(samples.now));
        const auto findings = analyst.findings();
        REQUIRE(names(findings) == std::vector<std::string>{"F14 web-01"});
        CHECK(findings[0].title ==
              "What web-01 lets in cannot be proven: the collector cannot read its ruleset");
        return findings[0].evidence.at(0).text;
    };
    CHECK(told(pack(std::string(17U << 20, ' ') + "{}")) == "its text has more than 16 MiB");
    CHECK(told("no ruleset").starts_with("reading the ruleset: "));
}

TEST_CASE("a ruleset that could not be read is unknown, not missing") {
    SiteSamples samples;
    const Labels firewall{{"agent", "web-01"}, {"instance", "web-01"}, {"job", "firewall"}};
    samples.add("lapwing_agent_info", {{"agent", "web-01"}, {"instance", "web-01"}, {"job", "agent"}});
    samples.add("up", firewall, 0);
    auto failure = firewall;
    failure.set("reason", "denied");
    samples.add("lapwing_probe_failure", failure);
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    CHECK(names(findings) == std::vector<std::string>{"F14 web-01"});
    CHECK(findings[0].evidence[0].text == "failed: denied");
    CHECK(findings[0].severity == Severity::info);
}

TEST_CASE("the book keeps findings and their start times across a restart") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    {
        Analyst analyst(samples.store(), SiteSamples::site());
        REQUIRE(analyst.run(samples.now));
    }
    samples.reopen();
    Analyst analyst(samples.store(), SiteSamples::site());
    const auto restored = analyst.findings();
    CHECK(restored.size() == 10);
    REQUIRE(analyst.run(samples.now + 10'000));
    CHECK(find(analyst.findings(), "F2", "mysql@web-01")->since == samples.now);
    CHECK(find(analyst.findings(), "F2", "mysql@web-01")->evidence.size() ==
          find(restored, "F2", "mysql@web-01")->evidence.size());
}

TEST_CASE("the assignment orders attempts and canaries") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open", false);
    Analyst analyst(samples.store(), SiteSamples::site());
    CHECK(analyst.assignment("web-01").json.find("\"attempts\":[]") != std::string::npos);
    REQUIRE(analyst.run(samples.now));
    const auto mine = analyst.assignment("web-01");
    const auto has = [&](const std::string& text) { return mine.json.find(text) != std::string::npos; };
    CHECK(has(
        R"({"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":3306,"service":"mysql","since":0})"));
    CHECK(has(R"("host":"lb-01","address":"10.77.0.10","protocol":"tcp","port":8404)"));
    // For `peers: auto`: those that have joined, without the agent itself and without lb-01.
    CHECK(has(R"("hosts":[{"host":"web-02","addresses":["10.77.0.112","10.77.0.12"]}])"));
    CHECK_FALSE(has("8000"));
    CHECK_FALSE(has(R"("host":"web-01","address")"));
    // The two hosts test each other, so each opens one canary and connects to another.
    CHECK(has(R"("role":"listen")"));
    CHECK(has(R"("role":"connect")"));
    CHECK(analyst.assignment("somebody").json.find("\"attempts\":[]") != std::string::npos);

    REQUIRE(analyst.run(samples.now + 20'000));
    CHECK(analyst.assignment("web-01").json.find("\"canary\":[]") != std::string::npos);
    // Without a result, the assignment repeats the canary a limited number of times.
    int asked = 1;
    for (int i = 4; i < 30; ++i) {
        samples.now += 10'000;
        samples.everything(test::fixture("firewall/none.json"), false, "open", false);
        REQUIRE(analyst.run(samples.now));
        asked += analyst.assignment("web-01").json.find("\"role\":\"connect\"") != std::string::npos ? 1 : 0;
    }
    CHECK(asked == 4);
    samples.now += 700'000;
    samples.everything(test::fixture("firewall/none.json"), false, "open", false);
    REQUIRE(analyst.run(samples.now));
    CHECK(analyst.assignment("web-01").json.find("\"role\":\"listen\"") != std::string::npos);
}

TEST_CASE("the agents of a large site together try every host") {
    constexpr int host_count = 300;
    SiteSamples samples;
    const auto name = [](int host) { return "host-" + std::to_string(host + 100); };
    for (int i = 0; i < host_count; ++i) {
        samples.web(name(i), "10.77." + std::to_string(i / 200 + 1) + "." + std::to_string(i % 200 + 1),
                    "10.78." + std::to_string(i / 200 + 1) + "." + std::to_string(i % 200 + 1),
                    test::kNoRules);
    }
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    std::set<std::string> tried;
    for (int i = 0; i < host_count; ++i) {
        const auto json = analyst.assignment(name(i)).json;
        std::size_t count = 0;
        for (auto at = json.find("\"service\""); at != std::string::npos;
             at = json.find("\"service\"", at + 1)) {
            ++count;
        }
        CHECK(count == 256);
        // Agents that discover their peers take the hosts of the assignment only.
        const auto attempts = json.find("\"attempts\":");
        std::set<std::string> hosts;
        for (int other = 0; other < host_count; ++other) {
            if (json.find("{\"host\":\"" + name(other) + "\",\"addresses\"") < attempts) {
                hosts.insert(name(other));
            }
        }
        CHECK(hosts.size() == 256);
        CHECK(json.find("{\"host\":\"" + name(i) + "\",\"address\"") == std::string::npos);
        for (int other = 0; other < host_count; ++other) {
            if (json.find("{\"host\":\"" + name(other) + "\",\"address\"") != std::string::npos) {
                CHECK(hosts.contains(name(other)));
                tried.insert(name(other));
            }
        }
    }
    CHECK(tried.size() == host_count);
}

TEST_CASE("agents test a load balancer with a silent agent like a load balancer without an agent") {
    SiteSamples samples;
    Analyst analyst(samples.store(), SiteSamples::site());
    const auto asked = [&] {
        samples.everything(test::fixture("firewall/none.json"), false, "open");
        REQUIRE(analyst.run(samples.now));
        return analyst.assignment("web-01").json.find(R"("host":"lb-01","address":"10.77.0.10")") !=
               std::string::npos;
    };
    samples.add("lapwing_agent_info", {{"agent", "lb-01"}, {"instance", "lb-01"}, {"job", "agent"}});
    CHECK_FALSE(asked());
    samples.now += 400'000;
    CHECK(asked());
}

TEST_CASE("a database that is watched from elsewhere, on a host without an agent") {
    SiteSamples samples;
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    samples.add("mysql_up", {{"agent", "web-01"}, {"instance", "db-01"}, {"job", "mysql"}});
    samples.server("db", "db-01", "10.77.0.14:3306");
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    const auto findings = analyst.findings();
    const auto* finding = find(findings, "F14", "db-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->title == "What db-01 lets in is unknown: no agent on db-01");
    CHECK(analyst.assignment("web-02").json.find(
              R"({"host":"db-01","address":"10.77.0.14","protocol":"tcp","port":3306,"service":"mysql")") !=
          std::string::npos);
}

TEST_CASE("a long poll ends when the assignment changes or on interrupt()") {
    SiteSamples samples;
    Analyst analyst(samples.store(), SiteSamples::site());
    const auto nothing = analyst.assignment("web-01").version;
    CHECK(analyst.awaitAssignment("web-01", nothing, std::chrono::milliseconds(1)).version == nothing);
    samples.everything(test::fixture("firewall/none.json"), false, "open");
    std::string heard;
    std::thread waiting(
        [&] { heard = analyst.awaitAssignment("web-01", nothing, std::chrono::seconds(60)).version; });
    REQUIRE(analyst.run(samples.now));
    waiting.join();
    CHECK(heard == analyst.assignment("web-01").version);
    CHECK(heard != nothing);
    const auto began = std::chrono::steady_clock::now();
    std::thread interrupted([&] { analyst.awaitAssignment("web-01", heard, std::chrono::seconds(60)); });
    analyst.interrupt();
    interrupted.join();
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(50));
}
