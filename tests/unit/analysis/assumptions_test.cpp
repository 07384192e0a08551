#include "collector/analysis/topology/assumptions.h"

#include <algorithm>
#include <set>

#include "tests/unit/analysis/watched_site.h"

using namespace lapwing;
using namespace lapwing::analysis;

using test::SiteSamples;
using test::Watched;
using topology::Basis;
using topology::SitePart;

namespace {

topology::Assumptions assumed(Watched& site) {
    site.round();
    return topology::assumptionsOf(*site.analyst->moment());
}

const topology::Assumption* find(const topology::Assumptions& all, SitePart part, const std::string& subject,
                                 const std::string& text = "") {
    const auto found = std::find_if(all.list.begin(), all.list.end(), [&](const auto& each) {
        return each.part == part && each.subject == subject &&
               (text.empty() || each.text.find(text) != std::string::npos);
    });
    return found == all.list.end() ? nullptr : &*found;
}

bool misses(const topology::Assumptions& all, SitePart part, const std::string& text) {
    return std::any_of(all.missing.begin(), all.missing.end(), [&](const auto& each) {
        return each.part == part && each.text.find(text) != std::string::npos && !each.step.empty();
    });
}

std::set<std::string> values(const std::vector<topology::Proposal>& proposals) {
    std::set<std::string> out;
    for (const auto& each : proposals) {
        CHECK_FALSE(each.evidence.empty());
        out.insert(each.value);
    }
    return out;
}

/// web-02 reports that it follows web-01.
void follows(Watched& site, const char* replica, const char* primary_address) {
    site.samples.own(replica, "mysql_slave_status_slave_io_running",
                     {{"job", "mysql"}, {"master_host", primary_address}, {"channel_name", ""}}, 1);
    site.samples.own(replica, "mysql_slave_status_slave_sql_running",
                     {{"job", "mysql"}, {"master_host", primary_address}, {"channel_name", ""}}, 1);
}

}  // namespace

TEST_CASE("what is declared is configured, what agents report is seen, and the rest is concluded") {
    Watched site;
    const auto all = assumed(site);
    REQUIRE(find(all, SitePart::entry, "http://10.77.0.10/") != nullptr);
    CHECK(find(all, SitePart::entry, "http://10.77.0.10/")->basis == Basis::configured);
    const auto* received = find(all, SitePart::entry, "http://10.77.0.10/", "received by haproxy@lb-01");
    REQUIRE(received != nullptr);
    CHECK(received->basis == Basis::concluded);
    CHECK_FALSE(received->evidence.empty());
    const auto* balancer = find(all, SitePart::load_balancer, "haproxy@lb-01", "web@web-01 and web@web-02");
    REQUIRE(balancer != nullptr);
    CHECK(balancer->basis == Basis::seen);
    CHECK(find(all, SitePart::web, "web@web-01") != nullptr);
    CHECK(find(all, SitePart::database, "mysql@web-02") != nullptr);
    CHECK(find(all, SitePart::replication, "web-01 -> web-02")->basis == Basis::configured);
    CHECK(find(all, SitePart::host, "web-01", "its agent reports") != nullptr);
    CHECK(find(all, SitePart::host, "lb-01", "no agent") != nullptr);
    CHECK(misses(all, SitePart::host, "lb-01 has no agent"));
    CHECK_FALSE(misses(all, SitePart::entry, "No entry"));
    CHECK(std::is_sorted(all.list.begin(), all.list.end(),
                         [](const auto& left, const auto& right) { return left.part < right.part; }));
}

TEST_CASE("an entry is proposed from the one address at which the load balancer is seen to answer") {
    Watched site;
    site.site.entry.clear();
    CHECK(misses(assumed(site), SitePart::entry, "No entry is configured"));
    CHECK(topology::assumptionsOf(*site.analyst->moment()).entries.empty());
    site.samples.attempt("web-01", "lb-01", "10.77.0.10", "80", "10.77.0.11", "main", "silent");
    CHECK(assumed(site).entries.empty());
    site.samples.attempt("web-01", "lb-01", "10.77.0.10", "80", "10.77.0.11", "main", "open");
    CHECK(values(assumed(site).entries) == std::set<std::string>{"http://10.77.0.10/"});
    site.samples.attempt("web-01", "lb-01", "10.77.0.99", "443", "10.77.0.11", "main", "open");
    const auto two = assumed(site);
    CHECK(two.entries.empty());
    CHECK(misses(two, SitePart::entry, "http://10.77.0.10/ and https://10.77.0.99/"));
}

TEST_CASE("a replication is proposed from the replica's own words, and told where the declaration differs") {
    Watched site;
    site.site.replication.clear();
    CHECK(assumed(site).replication.empty());
    follows(site, "web-02", "10.77.0.11");
    CHECK(values(assumed(site).replication) == std::set<std::string>{"web-01 -> web-02"});

    Watched other;
    other.site.replication = {{"web-02", "web-01"}};
    follows(other, "web-02", "10.77.0.11");
    const auto reversed = assumed(other);
    CHECK(std::any_of(reversed.contradictions.begin(), reversed.contradictions.end(), [](const auto& each) {
        return each.text == "declared is web-02 -> web-01, seen is web-01 -> web-02";
    }));
}

TEST_CASE("of two databases that follow each other neither is proposed as the primary") {
    Watched site;
    site.site.replication.clear();
    follows(site, "web-02", "10.77.0.11");
    follows(site, "web-01", "10.77.0.12");
    const auto all = assumed(site);
    CHECK(all.replication.empty());
    CHECK(misses(all, SitePart::replication, "web-01 and web-02 follow each other"));
}

TEST_CASE("a command never has a host's name in it that a shell would take apart") {
    Watched site;
    auto labels = test::server("evil;reboot");
    site.samples.add("haproxy_server_weight", labels, 1);
    labels.set("state", "UP");
    site.samples.add("haproxy_server_status", labels, 1);
    const auto all = assumed(site);
    REQUIRE(misses(all, SitePart::host, "evil;reboot has no agent"));
    CHECK(std::none_of(all.missing.begin(), all.missing.end(),
                       [](const auto& each) { return each.step.find(';') != std::string::npos; }));
}

TEST_CASE("nobody is told while no receiver is configured, and only then") {
    Watched unknown;
    unknown.round();
    CHECK(unknown.find("R19") == nullptr);
    Watched none;
    none.options.setup.receivers = 0;
    none.round();
    REQUIRE(none.find("R19") != nullptr);
    CHECK(none.find("R19")->severity == Severity::low);
    CHECK(none.find("R19")->subject == "collector@monitor");
    Watched one;
    one.options.setup.receivers = 1;
    one.round();
    CHECK(one.find("R19") == nullptr);
}
