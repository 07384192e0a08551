#include "tests/unit/analysis/watched_site.h"

using namespace lapwing;
using namespace lapwing::analysis;

using test::Watched;

namespace {

std::string evidenceOf(const Finding& finding) {
    std::string out;
    for (const auto& line : finding.evidence) {
        out += line.source + ": " + line.text + "\n";
    }
    return out;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("R15: a full server is a finding about the server, and it is not down") {
    Watched site;
    site.round();
    CHECK(site.find("R15") == nullptr);

    // The agent has its connection, and all are taken.
    site.samples.own("web-01", "mysql_global_status_threads_connected", {{"job", "mysql"}}, 151);
    site.samples.own("web-01", "mysql_global_variables_max_connections", {{"job", "mysql"}}, 151);
    site.round();
    const auto* full = site.find("R15");
    REQUIRE(full != nullptr);
    CHECK(full->subject == "mysql@web-01");
    CHECK(full->severity == Severity::critical);
    CHECK(contains(evidenceOf(*full), "151 connections are open; max_connections is 151"));
    CHECK(contains(full->remedy, "max_connections"));

    site.samples.own("web-01", "mysql_global_status_threads_connected", {{"job", "mysql"}}, 20);
    site.round();
    CHECK(site.find("R15") == nullptr);

    // The agent has none, and is refused.
    site.samples.own("web-01", "mysql_up", {{"job", "mysql"}}, 0);
    site.samples.own("web-01", "lapwing_mysql_refused_info",
                     {{"job", "mysql"}, {"errno", "1040"}, {"reason", "too_many_connections"}});
    site.round();
    full = site.find("R15");
    REQUIRE(full != nullptr);
    CHECK(contains(evidenceOf(*full),
                   "the server is up, and refuses the agent: too_many_connections (error 1040)"));
}

TEST_CASE("A server that refuses the agent alone may work for others") {
    Watched site;
    site.round();
    site.samples.own("web-01", "mysql_up", {{"job", "mysql"}}, 0);
    site.samples.own("web-01", "lapwing_mysql_refused_info",
                     {{"job", "mysql"}, {"errno", "4151"}, {"reason", "account_locked"}});
    site.round();
    CHECK(site.find("R15") == nullptr);
    CHECK(site.analyst->moment()->services.databases.at("web-01") == Truth::unknown);
}

TEST_CASE("R16: commits wait, with the server's own state") {
    Watched site;
    site.round();
    const auto waits = [&](const char* reason, const char* state, const char* who, double seconds) {
        site.samples.own("web-01", "lapwing_mysql_waiting_seconds",
                         {{"job", "mysql"}, {"reason", reason}, {"state", state}, {"who", who}}, seconds);
    };
    waits("group_commit", "waiting for handler commit", "clients", 4);
    site.round();
    CHECK(site.find("R16") == nullptr);  // merely slow

    waits("semi_sync_ack", "Waiting for semi-sync ACK from slave", "heartbeat", 40);
    waits("semi_sync_ack", "Waiting for semi-sync ACK from slave", "clients", 12);
    site.round();
    const auto* waiting = site.find("R16");
    REQUIRE(waiting != nullptr);
    CHECK(waiting->severity == Severity::critical);
    CHECK(waiting->confidence == Confidence::confirmed);
    CHECK(waiting->title ==
          "Commits on the database on web-01 wait (\"Waiting for semi-sync ACK from slave\")");
    CHECK(contains(evidenceOf(*waiting), "clients' statements have waited for up to 12 s"));
    CHECK(contains(waiting->remedy, "rpl_semi_sync_master_enabled = 0"));
}

TEST_CASE("R16: the server refuses the agent's statements for want of disk space") {
    Watched site;
    site.round();
    const auto full = [&](const char* who, const char* state, double seconds) {
        site.samples.own("web-01", "lapwing_mysql_waiting_seconds",
                         {{"job", "mysql"}, {"reason", "disk_full"}, {"state", state}, {"who", who}},
                         seconds);
    };
    full("agent", "error 1021: Disk got full writing 'tmp'", 25);
    site.round();
    const auto* refused = site.find("R16");
    REQUIRE(refused != nullptr);
    CHECK(refused->confidence == Confidence::confirmed);
    CHECK(refused->title ==
          "A disk of the database on web-01 is full (\"error 1021: Disk got full writing 'tmp'\")");
    CHECK(contains(evidenceOf(*refused), "for 25 s the server has refused statements of the agent"));
    CHECK(contains(refused->remedy, "df -h"));

    // What waits says more than what is refused.
    full("clients", "Waiting for someone to free space", 12);
    site.round();
    CHECK(site.find("R16")->title ==
          "The disk of the database on web-01 is full: commits wait (\"Waiting for someone to free space\")");
}
