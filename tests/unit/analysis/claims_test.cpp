#include <algorithm>
#include <array>
#include <random>
#include <regex>
#include <set>

#include "collector/analysis/topology/what_if.h"
#include "tests/unit/analysis/site_shape.h"
#include "tests/unit/analysis/watched_site.h"

// Findings and what-if answer from one model: these tests compare the two.

using namespace lapwing;
using namespace lapwing::analysis;

using test::server;
using test::SiteSamples;
using test::SiteShape;
using test::Watched;

namespace {

Truth readingAfter(const topology::Moment& moment, const std::string& failed) {
    const auto answer = topology::whatIf(moment, {failed}, {});
    REQUIRE(answer);
    for (const auto& outcome : answer->outcomes) {
        if (outcome.service == topology::ServiceKind::read) {
            return outcome.after;
        }
    }
    return Truth::unknown;
}

/// The parts that a finding says stop the site, or a backend of it, alone.
std::set<std::string> claimed(const Finding& finding) {
    std::set<std::string> out;
    if (finding.id == "R1") {
        out.insert(finding.subject);
    }
    static const std::regex supposed("^what if (.+) fails$");
    static const std::regex separator(", | or ");
    for (const auto& line : finding.evidence) {
        std::smatch match;
        if (std::regex_match(line.source, match, supposed)) {
            const auto names = match[1].str();
            out.insert(std::sregex_token_iterator(names.begin(), names.end(), separator, -1),
                       std::sregex_token_iterator());
        }
    }
    return out;
}

void checkClaims(const topology::Moment& moment, const std::vector<Finding>& findings) {
    const auto* reading = moment.model.service(topology::ServiceKind::read);
    REQUIRE(reading != nullptr);
    test::checkWords(findings);
    std::set<std::string> told;
    for (const auto& finding : findings) {
        const auto parts = claimed(finding);
        for (const auto& part : parts) {
            INFO(finding.id << " " << finding.subject << " names " << part << ": " << finding.title);
            const auto after = readingAfter(moment, part);
            CHECK(after != Truth::yes);
            if (finding.id == "R1" && finding.confidence == Confidence::confirmed &&
                reading->now.works == Truth::yes) {
                CHECK(after == Truth::no);
            }
        }
        told.insert(parts.begin(), parts.end());
        if (finding.id == "R2" && parts.empty()) {
            CHECK(reading->now.works != Truth::yes);
        }
    }
    if (reading->now.works != Truth::yes) {
        return;
    }
    for (const auto& each : moment.model.components) {
        using topology::ComponentKind;
        const auto& id = each.first;
        const auto& component = each.second;
        if (component.kind == ComponentKind::name || component.kind == ComponentKind::address ||
            readingAfter(moment, id) != Truth::no) {
            continue;
        }
        INFO(id << " stops the site, and no finding says so");
        const bool named = std::any_of(told.begin(), told.end(), [&](const auto& part) {
            const auto known = moment.model.components.find(part);
            return part == id || part == component.host ||
                   (known != moment.model.components.end() && known->second.host == id);
        });
        CHECK(named);
    }
}

}  // namespace

TEST_CASE("findings and what-if agree, whatever the states of the servers") {
    constexpr std::array states{"UP", "DOWN", "MAINT", "DRAIN"};
    int compared = 0;
    int drawn = 0;
    for (const auto* role : {"active", "backup"}) {
        for (const auto* check : {"L7", "L4", "none"}) {
            for (const auto* first : states) {
                for (const auto* second : states) {
                    for (const double weight : {1.0, 0.0}) {
                        for (const bool fails : {false, true}) {
                            ++drawn;
                            if (!test::isLong() && drawn % 3 != 0) {
                                continue;
                            }
                            Watched site;
                            site.samples.now += 10;
                            for (const auto* name : {"web-01", "web-02"}) {
                                auto old = server(name);
                                const bool is_first = std::string(name) == "web-01";
                                old.set("address", is_first ? "10.77.0.11:80" : "10.77.0.12:80");
                                old.set("role", "active");
                                old.set("check", "L7");
                                site.samples.end("lapwing_haproxy_server_info", old);
                            }
                            site.samples.write();
                            site.samples.now += 10;
                            site.detail("web-01", "active", check, 1);
                            site.detail("web-02", role, check, weight);
                            site.state("web-01", first);
                            site.state("web-02", second);
                            for (const auto* name : {"web-01", "web-02"}) {
                                const bool up = !fails || std::string(name) != "web-01";
                                site.samples.add("probe_success",
                                                 {{"agent", name},
                                                  {"instance", name},
                                                  {"job", "app"},
                                                  {"url", "http://127.0.0.1:8000/"}},
                                                 up ? 1 : 0);
                            }
                            site.round();
                            INFO(role << ", check " << check << ", web-01 " << first << ", web-02 " << second
                                      << ", weight " << weight << (fails ? ", an application fails" : ""));
                            checkClaims(*site.analyst->moment(), site.findings);
                            ++compared;
                        }
                    }
                }
            }
        }
    }
    CHECK(compared == (test::isLong() ? 384 : 128));
}

TEST_CASE("findings and what-if agree, whatever the site's shape") {
    std::mt19937 random(14);
    const int wanted = test::isLong() ? 400 : 40;
    for (int i = 0; i < wanted; ++i) {
        const auto shape = SiteShape::random(random);
        INFO(shape.text());
        SiteSamples samples;
        const auto built = test::build(shape, samples);
        AnalystOptions options;
        options.setup.collector_host = "monitor";
        Analyst analyst(samples.store(), built.site, options);
        REQUIRE(analyst.run(samples.now + 1'000));
        checkClaims(*analyst.moment(), analyst.findings());
    }
}

TEST_CASE("what if: an address or a name that is taken away stops the site, and breaks nothing by itself") {
    Watched site;
    site.round();
    const auto& moment = *site.analyst->moment();
    CHECK(readingAfter(moment, "address@10.77.0.10") == Truth::no);
    const auto* reading = moment.model.service(topology::ServiceKind::read);
    CHECK_FALSE(reading->design.singles(false).contains("address@10.77.0.10"));
}

TEST_CASE("without its only database it is unknown whether pages can be read") {
    SiteSamples samples;
    samples.web("web-01", "10.77.0.11", "10.77.0.111", test::kNoRules);
    samples.agent("web-02", test::kNoRules);
    samples.address("web-02", "10.77.0.12");
    samples.listener("web-02", reach::Family::ipv4, "0.0.0.0", "80", "nginx");
    samples.listener("web-02", reach::Family::ipv4, "127.0.0.1", "8000", "gunicorn");
    samples.balancer();
    samples.write();
    auto declared = SiteSamples::site();
    declared.replication.clear();
    Analyst analyst(samples.store(), declared, {});
    REQUIRE(analyst.run(samples.now + 1'000));
    CHECK(readingAfter(*analyst.moment(), "mysql@web-01") == Truth::unknown);
    CHECK(readingAfter(*analyst.moment(), "web-01") == Truth::unknown);
    CHECK(readingAfter(*analyst.moment(), "web@web-01") == Truth::yes);
}

TEST_CASE("a failure that no health check notices is no failure that the site survives") {
    Watched site;
    site.samples.now += 10;
    for (const auto* name : {"web-01", "web-02"}) {
        auto old = server(name);
        old.set("address", std::string(name) == "web-01" ? "10.77.0.11:80" : "10.77.0.12:80");
        old.set("role", "active");
        old.set("check", "L7");
        site.samples.end("lapwing_haproxy_server_info", old);
    }
    site.samples.write();
    site.samples.now += 10;
    site.detail("web-01", "active", "L4", 1);
    site.detail("web-02", "active", "none", 1);
    site.round();
    const auto& moment = *site.analyst->moment();
    // A check by connecting sees a web server and its host fail, and no application behind it.
    CHECK(readingAfter(moment, "web@web-01") == Truth::yes);
    CHECK(readingAfter(moment, "web-01") == Truth::yes);
    CHECK(readingAfter(moment, "app@web-01") == Truth::unknown);
    CHECK(readingAfter(moment, "web@web-02") == Truth::unknown);
    CHECK(readingAfter(moment, "web-02") == Truth::unknown);
}

TEST_CASE("a backend whose checks pass is not called degraded for an application that it may not need") {
    for (const auto* check : {"L7", "L4"}) {
        INFO(check);
        Watched site;
        site.samples.now += 10;
        for (const auto* name : {"web-01", "web-02"}) {
            const std::string address = std::string(name) == "web-01" ? "10.77.0.11:80" : "10.77.0.12:80";
            site.samples.server("static", name, address);
            auto old = server(name);
            old.set("address", address);
            old.set("proxy", "static");
            site.samples.end("lapwing_haproxy_server_info", old);
            old.set("role", "active");
            old.set("check", check);
            site.samples.add("lapwing_haproxy_server_info", old);
        }
        // The checks of the other backend ask the application.
        site.state("web-01", "DOWN");
        site.samples.add(
            "probe_success",
            {{"agent", "web-01"}, {"instance", "web-01"}, {"job", "app"}, {"url", "http://127.0.0.1:8000/"}},
            0);
        site.round();
        const auto stands = [&](const std::string& subject) {
            return std::any_of(site.findings.begin(), site.findings.end(),
                               [&](const auto& each) { return each.id == "R4" && each.subject == subject; });
        };
        CHECK(stands("lb-01/web"));
        CHECK(stands("lb-01/static") == (std::string(check) == "L4"));
        // It may need it all the same.
        CHECK(readingAfter(*site.analyst->moment(), "web@web-02") != Truth::yes);
    }
}
