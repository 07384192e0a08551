#include "agent/doctor/diagnose.h"

#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::agent;
using doctor::Report;

namespace {

constexpr std::time_t kDay = 86'400;

std::string status(const std::string& collector, const std::string& probes = "") {
    return R"({"collector":{)" + collector + R"(},"probes":[)" + probes + "]}";
}

std::string probe(const std::string& job, const std::string& state, const std::string& reason = "") {
    return R"({"job":")" + job + R"(","instance":"web-01","labels":{},"state":")" + state +
           R"(","reason":")" + reason + R"(","message":"m"})";
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Report::Check clock(const std::string& judgement) {
    Report out;
    diagnoseClock(out, status(R"("clock_judgement":")" + judgement + R"(","clock_ahead_seconds":7200)"),
                  false, "set it");
    return out.checks().at(0);
}

Report::Check collector(const std::string& word, const CollectorAttempt& attempt) {
    Report out;
    diagnoseCollector(out, status(word), attempt, "web-01", "/etc/lapwing/agent.d");
    return out.checks().back();
}

CollectorAttempt failed(ErrorKind kind) {
    CollectorAttempt out;
    out.name = "mon";
    out.port = 9766;
    out.kind = kind;
    out.error = "no";
    return out;
}

}  // namespace

TEST_CASE("the clock is judged by the collector's word alone") {
    CHECK(clock("agrees").result == Report::Result::well);
    CHECK(clock("wrong").fix == "set it");
    CHECK(has(clock("wrong").found, "2 h"));
    CHECK(has(clock("disputed").found, "either may be wrong"));
    const auto none = clock("");
    CHECK(none.result == Report::Result::unknown);
    CHECK(has(none.found, "does not keep it"));
}

TEST_CASE("a certificate that ended, or is not renewed") {
    const auto at = [](std::time_t ends) {
        Report out;
        diagnoseCertificate(out, "/a.pem", "web-01", ends, 100 * kDay);
        return out.checks().at(0);
    };
    CHECK(at(0).result == Report::Result::unknown);
    CHECK(has(at(99 * kDay).found, "it ended at 1970-04-10"));
    CHECK(has(at(99 * kDay).fix, "lapwing-collector invite web-01"));
    CHECK(has(at(103 * kDay).found, "was not renewed"));
    CHECK(at(130 * kDay).result == Report::Result::well);
}

TEST_CASE("the agent's word on the collector comes first, the own attempt tells the cause") {
    auto attempt = failed(ErrorKind::refused);
    CHECK(collector(R"("connected":true,"samples_sent":5)", attempt).result == Report::Result::well);
    CHECK(has(collector(R"("trouble":"t")", attempt).fix, "systemctl start lapwing-collector"));
    CHECK(has(collector(R"("trouble":"t")", attempt).found, "no; the agent says: t"));
    CHECK(has(collector("", failed(ErrorKind::timeout)).fix, "reach tcp/9766"));
    CHECK(has(collector("", failed(ErrorKind::tls)).fix, "lapwing-agent join"));
    CHECK(collector("", failed(ErrorKind::tls)).area == "tls");
    CHECK(collector("", failed(ErrorKind::denied)).result == Report::Result::unknown);
    attempt.resolved = false;
    attempt.resolve_error = "Name or service not known";
    CHECK(collector("", attempt).area == "names");
    CHECK(has(collector("", attempt).fix, "/etc/lapwing/agent.d/20-collector.yaml"));
    attempt.resolved = true;
    attempt.answered = true;
    CHECK(collector("", attempt).result == Report::Result::unknown);
    CHECK(has(collector(R"("trouble":"403: revoked")", attempt).found, "403: revoked; it answers doctor"));
}

TEST_CASE("each probe that fails has a fix, and a service that nobody watches too") {
    const auto judged = [](const std::string& probes, const Installed& installed,
                           const std::vector<std::string>& off = {}) {
        Report out;
        diagnoseProbes(out, status("", probes), installed, "/d", off);
        return out.checks();
    };
    Installed nginx;
    nginx.nginx = true;
    CHECK(judged(probe("nginx", "ok"), nginx).at(0).result == Report::Result::well);
    const auto page = judged(probe("nginx", "failed", "refused"), nginx);
    REQUIRE(page.size() == 1);
    CHECK(has(page[0].fix, "stub_status"));
    nginx.nginx_stopped = true;
    CHECK(judged(probe("nginx", "failed", "refused"), nginx).at(0).fix ==
          "nginx -t && systemctl start nginx\n");
    REQUIRE(judged("", nginx).size() == 1);
    CHECK(judged("", nginx).at(0).result == Report::Result::wrong);
    CHECK(judged("", nginx, {"nginx"}).empty());
    CHECK(judged(probe("nginx", "waiting"), {}).at(0).result == Report::Result::unknown);
    CHECK(has(judged(probe("firewall", "failed", "unavailable"), {}).at(0).fix, "lapwing-snapshot.timer"));
    CHECK(has(judged(probe("logs", "failed", "denied"), {}).at(0).fix, "usermod -aG adm lapwing"));
    CHECK(has(judged(probe("app", "failed", "refused"), {}).at(0).fix, "lapwing-agent probe app"));
    // The verb takes the kind; a target of `scrape` has a name of its own.
    auto shop = probe("logs", "failed", "denied");
    shop.insert(1, R"("kind":"scrape",)");
    CHECK(has(judged(shop, {}).at(0).fix, "lapwing-agent probe scrape "));
    Installed database;
    database.mariadb = true;
    database.database_stopped = true;
    CHECK(judged("", database).at(0).fix == "systemctl start mariadb\n");
    database.database_stopped = false;
    CHECK(has(judged(probe("mysql", "failed", "denied"), database).at(0).fix, "CREATE USER"));
    Report none;
    diagnoseProbes(none, "", nginx, "/d", {});
    CHECK(none.checks().empty());
}

TEST_CASE("the spool that cannot be written") {
    Report out;
    diagnoseSpool(out, status(R"("spool_trouble":"","spool_samples":7)"), "/data");
    CHECK(out.allWell());
    CHECK(has(out.checks().at(0).found, "7 samples"));
    diagnoseSpool(out, status(R"("spool_trouble":"disk full")"), "/data");
    CHECK(has(out.checks().at(1).found, "disk full"));
    CHECK(has(out.checks().at(1).fix, "df -h /data"));
}

TEST_CASE("a peer from which no port answers") {
    const auto judged = [](int ports, int answered) {
        Report out;
        diagnosePeers(out, R"({"peers":[{"host":"web-02","address":"10.77.0.12","ports":)" +
                               std::to_string(ports) + R"(,"answered":)" + std::to_string(answered) + "}]}");
        return out.checks().at(0);
    };
    CHECK(judged(0, 0).result == Report::Result::unknown);
    CHECK(judged(3, 1).result == Report::Result::well);
    CHECK(has(judged(3, 0).fix, "ping -c 3 10.77.0.12"));
}
