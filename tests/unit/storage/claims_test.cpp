#include "collector/ingest/claims.h"

#include <string>

#include "common/metric_speakers.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using ingest::Claims;
using metric::Speaker;

namespace {

constexpr const char* kJobs[] = {"agent", "node", "sockets",   "firewall", "keepalived", "nginx", "haproxy",
                                 "mysql", "app",  "inventory", "zzz",      "collector",  ""};

Labels series(const std::string& name, const std::string& job, const std::string& instance) {
    return {{"__name__", name}, {"job", job}, {"instance", instance}};
}

bool maySay(const std::string& name, const std::string& job, const std::string& instance) {
    Claims claims(64);
    return claims.problem("web-02", series(name, job, instance)).empty();
}

/// The job whose probe sends an observer's metric.
std::string jobOf(std::string_view name) {
    for (const auto& probe : metric::kRemoteProbes) {
        for (const auto prefix : probe.prefixes) {
            if (name.starts_with(prefix)) {
                return probe.job;
            }
        }
    }
    return "";
}

}  // namespace

TEST_CASE("an agent says of another host what an observer can know, and nothing else, for every name") {
    for (const auto& row : metric::kSpeakers) {
        for (const std::string job : kJobs) {
            CAPTURE(row.name, job);
            const bool remote = metric::remoteProbe(job) != nullptr;
            bool other = false;
            switch (row.speaker) {
                case Speaker::self:
                case Speaker::collector:
                    break;
                case Speaker::peer:
                    other = job != "collector";
                    break;
                case Speaker::probe:
                    other = remote;
                    break;
                case Speaker::observer:
                    other = job == jobOf(row.name);
                    CHECK_FALSE(jobOf(row.name).empty());
                    break;
            }
            CHECK(maySay(row.name, job, "web-01") == other);
            CHECK(maySay(row.name, job, "web-02") ==
                  (row.speaker != Speaker::collector && job != "collector"));
        }
    }
}

TEST_CASE("a name that nobody declared is its host's own, or of the probe that it begins with") {
    CHECK(maySay("node_filesystem_avail_bytes", "node", "web-02"));
    CHECK_FALSE(maySay("node_filesystem_avail_bytes", "node", "web-01"));
    CHECK_FALSE(maySay("node_filesystem_avail_bytes", "mysql", "web-01"));
    CHECK(maySay("mysql_global_status_uptime", "mysql", "db-01"));
    CHECK_FALSE(maySay("mysql_global_status_uptime", "haproxy", "db-01"));
    CHECK_FALSE(maySay("mysql_global_status_uptime", "", "db-01"));
    CHECK(maySay("haproxy_backend_status", "haproxy", "lb-01"));
    CHECK_FALSE(maySay("errors_total", "test", "web-01"));
    CHECK(maySay("errors_total", "test", ""));
    // Results of recording rules.
    CHECK_FALSE(maySay("job:errors:rate5m", "", ""));
    CHECK_FALSE(maySay("job:errors:rate5m", "test", "web-02"));
}

TEST_CASE("an agent observes a limited number of other instances") {
    Claims claims(2);
    const auto problem = [&](const char* agent, const char* instance) {
        return claims.problem(agent, series("mysql_up", "mysql", instance));
    };
    CHECK(problem("web-02", "db-01").empty());
    CHECK(problem("web-02", "db-02").empty());
    CHECK(problem("web-02", "db-03").find("observes 2 other instances already") != std::string::npos);
    CHECK(problem("web-02", "web-02").empty());
    CHECK(problem("web-02", "db-01").empty());
    CHECK(problem("web-03", "db-03").empty());
    // Attempts make no host.
    CHECK(claims.problem("web-02", series("lapwing_attempt_result", "firewall", "web-09")).empty());
}
