#include "collector/config/config.h"

#include <algorithm>
#include <fstream>

#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace {

using namespace lapwing;
using namespace lapwing::collector;

Config read(const std::string& yaml, std::vector<std::string>* problems = nullptr) {
    config::Reader reader;
    auto config = readConfig(reader.text(yaml, "c.yaml"));
    if (problems != nullptr) {
        for (const auto& problem : reader.problems()) {
            problems->push_back(problem.toString());
        }
    } else {
        for (const auto& problem : reader.problems()) {
            UNSCOPED_INFO(problem.toString());
        }
        CHECK(reader.ok());
    }
    return config;
}

std::vector<std::string> problemsOf(const std::string& yaml) {
    std::vector<std::string> problems;
    read(yaml, &problems);
    return problems;
}

}  // namespace

TEST_CASE("An empty file means the defaults") {
    const auto config = read("");
    CHECK(config.data == "/var/lib/lapwing-collector/lapwing.db");
    CHECK(config.directory() == "/var/lib/lapwing-collector");
    REQUIRE(config.http.listen.size() == 1);
    CHECK(config.http.listen[0].toString() == "127.0.0.1:9765");
    CHECK(config.http.listen[0].loopback());
    REQUIRE(config.agents.listen.size() == 1);
    CHECK(config.agents.listen[0].toString() == "0.0.0.0:9766");
    CHECK(config.admin.socket == "/run/lapwing-collector/admin.sock");
    CHECK_FALSE(config.ingest.local);
    CHECK(config.ingest.out_of_order_ms == 3'600'000);
    CHECK(config.retention_ms == 90LL * 86'400'000);
    CHECK(config.retention_bytes == 0);
    CHECK(config.ingest.max_series == 1'000'000);
    CHECK(config.promql.compat == 3);
    CHECK(config.promql.lookback_ms == 300'000);
    CHECK(config.promql.max_samples == 5'000'000);
    CHECK(config.promql.max_memory == 160'000'000);
    CHECK(config.rules == std::vector<std::string>{"/etc/lapwing/rules/*.yml"});
    CHECK(config.rules_interval_ms == 10'000);
    CHECK(config.hold_alerts.silent_ms == 86'400'000);
    CHECK(config.hold_alerts.partial_ms == 600'000);
    CHECK_FALSE(config.host.empty());
    CHECK(config.externalUrl() == "http://127.0.0.1:9765");
}

TEST_CASE("The external URL begins every link") {
    const auto config = read("http: { external_url: \"https://ops.example.org:8443/a/lapwing/\" }");
    CHECK(config.externalUrl() == "https://ops.example.org:8443/a/lapwing");
    CHECK(read("http: { external_url: \"https://ops.example.org/\" }").externalUrl() ==
          "https://ops.example.org");
    for (const std::string path : {"apis/", "a/api/", "page/metrics", "-x"}) {
        CHECK(problemsOf("http: { external_url: \"https://ops.example.org/" + path + "\" }").empty());
    }
    for (const std::string path :
         {"api", "api/", "api/v1/", "api/lapwing", "-/", "metrics", "federate/x", "graph"}) {
        const auto problems = problemsOf("http: { external_url: \"https://ops.example.org/" + path + "\" }");
        REQUIRE(problems.size() == 1);
        CHECK(problems.front().find("http.external_url must not begin with /" +
                                    path.substr(0, path.find('/'))) != std::string::npos);
    }
}

TEST_CASE("Every key is read") {
    const auto config = read(R"(
host: monitor
data: /srv/l/x.db
http: { listen: [ "127.0.0.1:1", "[::1]:2", "localhost:3" ], names: [ mon ] }
agents: { listen: none }
admin: { socket: none }
ingest: { local: true, out_of_order: 2h }
retention: { time: none, size: 10GB }
promql: { compat: 2, lookback: 1m, max_samples: 20000, max_memory: 32MB }
rules: [ /a.yml, /b/*.yml ]
rules_interval: 5s
hold_alerts: { silent: 2h, partial: 3m }
site:
  entry: [ http://10.77.0.10/ ]
  replication: [ { primary: web-01, replica: web-02 } ]
  allow: [ { to: mysql, from: [ 10.77.0.12/32, fd00::/8 ] } ]
notify: { webhook: [ { url: http://127.0.0.1:9/ } ] }
forward: [ { url: http://127.0.0.1:10/, keep: 2h } ]
)");
    CHECK(config.host == "monitor");
    CHECK(config.directory() == "/srv/l");
    REQUIRE(config.http.listen.size() == 3);
    CHECK(config.http.listen[1].toString() == "[::1]:2");
    CHECK(config.http.listen[2].toString() == "127.0.0.1:3");
    CHECK_FALSE(config.http.offLoopback());
    CHECK(config.agents.listen.empty());
    CHECK(config.admin.socket.empty());
    CHECK(config.ingest.local);
    CHECK(config.ingest.out_of_order_ms == 7'200'000);
    CHECK(config.retention_ms == 0);
    CHECK(config.retention_bytes == 10'000'000'000);
    CHECK(config.promql.compat == 2);
    CHECK(config.promql.max_samples == 20'000);
    CHECK(config.promql.max_memory == 32'000'000);
    CHECK(config.rules.size() == 2);
    CHECK(config.rules_interval_ms == 5000);
    CHECK(config.hold_alerts.silent_ms == 7'200'000);
    CHECK(config.hold_alerts.partial_ms == 180'000);
    CHECK(config.site.entry == std::vector<std::string>{"http://10.77.0.10/"});
    REQUIRE(config.site.replication.size() == 1);
    CHECK(config.site.replication[0].replica == "web-02");
    REQUIRE(config.site.allow.size() == 1);
    CHECK(config.site.allow[0].from.size() == 2);
    CHECK(config.notify.webhook.size() == 1);
    REQUIRE(config.forward.size() == 1);
    CHECK(config.forward[0].keep_ms == 7'200'000);
}

TEST_CASE("Every problem is reported at once, at its place") {
    const auto problems = problemsOf(R"(retenton: { time: 1d }
http: { listen: 9765, tls: maybe }
agents: { listen: [ 10.0.0.1, "fd00::1:9766" ] }
retention: { time: 5m }
promql: { compat: 4, lookback: soon }
site:
  replication: [ { primary: a }, { primary: a, replica: a } ]
  allow: [ { from: [ 10.0.0.0/33 ] } ]
  entry: [ "ftp://x/" ]
  objective: 100
)");
    const std::vector<std::string> wanted = {
        R"(c.yaml:1:1: unknown key "retenton"; did you mean "retention"?)",
        R"(c.yaml:2:17: http.listen: "9765" must be ADDRESS:PORT)",
        "c.yaml:2:28: http.tls must be auto, or a map with cert and key",
        R"(c.yaml:3:21: agents.listen[0]: "10.0.0.1" must be ADDRESS:PORT)",
        "c.yaml:3:31: agents.listen[1]: an IPv6 address is written in brackets: [ADDRESS]:PORT",
        "c.yaml:4:20: retention.time must be at least 1h, or none",
        "c.yaml:5:19: promql.compat must be from 2 to 3",
        "c.yaml:7:18: site.replication[0] needs both primary and replica",
        "c.yaml:7:34: site.replication[1]: primary and replica are the same host",
        "c.yaml:9:12: site.entry[0] must be a URL such as https://www.example.org/",
        "c.yaml:10:14: site.objective must be a percentage from 90 to 99.999",
    };
    for (const auto& each : wanted) {
        INFO(each);
        CHECK(std::find(problems.begin(), problems.end(), each) != problems.end());
    }
    for (const auto& each : problems) {
        UNSCOPED_INFO(each);
    }
    CHECK(problems.size() == wanted.size() + 3);  // lookback, allow's `to`, allow's network
}

TEST_CASE("The limits of ingest are settings") {
    const auto defaults = read("").ingest;
    CHECK(defaults.max_label_bytes == 512'000'000);
    CHECK(defaults.max_own_series == 200'000);
    CHECK(defaults.max_kept_series == 10'000'000);
    CHECK(defaults.agent.max_series == 100'000);
    CHECK(defaults.agent.max_label_bytes == 64'000'000);
    CHECK(defaults.max_labels_per_series == 64);
    CHECK(defaults.max_label_length == 4096);
    const auto set = read(R"(
ingest:
  max_series: 5000
  max_label_bytes: 2MB
  max_own_series: 3000
  max_kept_series: 9000
  agent: { max_series: 1000, max_label_bytes: 1MB }
  max_labels_per_series: 100
  max_label_length: 8KiB
)")
                         .ingest;
    CHECK(set.max_series == 5000);
    CHECK(set.max_label_bytes == 2'000'000);
    CHECK(set.max_own_series == 3000);
    CHECK(set.max_kept_series == 9000);
    CHECK(set.agent.max_series == 1000);
    CHECK(set.agent.max_label_bytes == 1'000'000);
    CHECK(set.max_labels_per_series == 100);
    CHECK(set.max_label_length == 8192);
    const auto problems = problemsOf(R"(ingest:
  agent: { max_series: 1, max_label_bytes: 10 }
  max_labels_per_series: 3
  max_label_length: 2MB
)");
    REQUIRE(problems.size() == 4);
    CHECK(problems[1].find("ingest.agent.max_label_bytes must be between 1000000 and") != std::string::npos);
    CHECK(problems[3].find("ingest.max_label_length must be between 256 and 1000000 bytes") !=
          std::string::npos);
}

TEST_CASE("A listener off loopback needs TLS and users, and each missing one is reported") {
    const auto bare = problemsOf("http: { listen: [ 127.0.0.1:1, 10.77.0.20:9765 ] }");
    REQUIRE(bare.size() == 2);
    CHECK(bare[0].find("10.77.0.20:9765 can be reached from other machines, so http.tls is needed") !=
          std::string::npos);
    CHECK(bare[1].find("so http.users_file is needed") != std::string::npos);

    const test::TemporaryFolder dir;
    std::ofstream(dir.path("users"))
        << "ann:$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL"
           "9AjRbLCelDCy.g.\n";
    CHECK(problemsOf("http: { listen: 0.0.0.0:9765, tls: auto, users_file: " + dir.path("users") + " }")
              .empty());

    std::ofstream(dir.path("weak")) << "ann:rqXexS6ZhobKA\n";
    const auto weak =
        problemsOf("http: { listen: 0.0.0.0:9765, tls: auto, users_file: " + dir.path("weak") + " }");
    REQUIRE(weak.size() == 1);
    CHECK(weak[0].find("line 1") != std::string::npos);
    CHECK(weak[0].find("rqXexS6ZhobKA") == std::string::npos);

    const auto missing = problemsOf("http: { listen: 0.0.0.0:9765, users_file: " + dir.path("users") +
                                    ", tls: { cert: /nowhere.crt, key: /nowhere.key } }");
    REQUIRE(missing.size() == 1);
    CHECK(missing[0].find("/nowhere.crt: No such file") != std::string::npos);
    CHECK(problemsOf("http: { listen: 127.0.0.1:1, tls: { cert: /x } }").size() == 1);
}

TEST_CASE("A missing file is a problem without a place") {
    config::Reader reader;
    loadConfig("/nowhere/collector.yaml", reader);
    REQUIRE(reader.problems().size() == 1);
    CHECK(reader.problems()[0].toString() == "/nowhere/collector.yaml: cannot be read");
}
