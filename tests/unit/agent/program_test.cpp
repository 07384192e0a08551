#include "tests/unit/agent/program.h"

#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/agent/fake_collector.h"
#include "tests/unit/agent/recording_sink.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/temporary_folder.h"

using namespace std::chrono_literals;
using lapwing::test::eventually;
using lapwing::test::FakeCollector;
using lapwing::test::Peer;
using lapwing::test::Program;
using lapwing::test::ScriptServer;
using lapwing::test::TemporaryFolder;

namespace {

struct Outcome {
    int code;
    std::string out;
    std::string err;
};

Outcome agent(const TemporaryFolder& dir, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), LAPWING_AGENT);
    Program program(dir.path(), arguments);
    const int code = program.wait();
    return {code, program.out(), program.err()};
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// A configuration in `dir` for the collector, with only the probes in `probes` on.
std::string writeConfig(const TemporaryFolder& dir, const FakeCollector& collector,
                        const std::string& probes) {
    const auto tls = collector.clientTls();
    std::string path = dir.path("agent.yaml");
    std::ofstream(path) << "host: web-01\ndata: " << dir.path()
                        << "\nstatus_socket: " << dir.path("agent.sock")
                        << "\nsnapshot: " << dir.path("snapshot.json")
                        << "\nattempts: off\ncollector: { url: '" << collector.url()
                        << "', ca: " << tls.ca_file << ", cert: " << tls.cert_file
                        << ", key: " << tls.key_file << " }\nprobes:\n"
                        << probes;
    return path;
}

constexpr const char* kNodeAlone =
    "  { nginx: off, app: off, haproxy: off, mysql: off, sockets: off, firewall: off, keepalived: off, "
    "inventory: off, logs: off, units: off, textfile: off }\n";

/// The inodes of the process's open sockets.
std::set<std::string> socketsOf(int pid) {
    std::set<std::string> inodes;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error)) {
        const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
        if (target.compare(0, 8, "socket:[") == 0) {
            inodes.insert(target.substr(8, target.size() - 9));
        }
    }
    return inodes;
}

/// Lines of /proc/net/tcp and so on for sockets of the process that listen (TCP) or are bound (UDP).
int listeningSockets(int pid) {
    const auto mine = socketsOf(pid);
    int found = 0;
    for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/net/" + table);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) {
            std::istringstream words(line);
            std::vector<std::string> fields;
            for (std::string word; words >> word;) {
                fields.push_back(word);
            }
            const bool listens = table[0] == 'u' || fields.at(3) == "0A";
            if (listens && mine.count(fields.at(9)) == 1) {
                ++found;
            }
        }
    }
    return found;
}

}  // namespace

TEST_CASE("version, help and wrong usage") {
    const TemporaryFolder dir;
    const auto version = agent(dir, {"version"});
    CHECK(version.code == 0);
    CHECK(version.out.compare(0, 14, "lapwing-agent ") == 0);
    CHECK(agent(dir, {"--help"}).code == 0);
    CHECK(agent(dir, {}).code == 2);
    CHECK(agent(dir, {"rum"}).code == 2);
    CHECK(agent(dir, {"probe"}).code == 2);
    CHECK(agent(dir, {"status", "--jason"}).code == 2);
}

TEST_CASE("check-config reports every problem, and run refuses to start with one") {
    const TemporaryFolder dir;
    const auto file = dir.path("agent.yaml");
    std::ofstream(file) << "hots: a\ncanary: perhaps\n";
    for (const char* verb : {"check-config", "run"}) {
        const auto outcome = agent(dir, {verb, "--config", file});
        CHECK(outcome.code == 2);
        CHECK(contains(outcome.err, file + ":1:1: unknown key \"hots\"; did you mean \"host\"?"));
        CHECK(contains(outcome.err, file + ":2:9: canary must be true or false"));
        CHECK(outcome.out.empty());
    }
    std::ofstream(file, std::ios::trunc) << "host: web-01\n";
    const auto fine = agent(dir, {"--config", file, "check-config"});
    CHECK(fine.code == 0);
    CHECK(fine.out.starts_with(file + ": OK"));
    CHECK(agent(dir, {"check-config", "-c", dir.path("absent.yaml")}).code == 2);
}

TEST_CASE("list-probes gives the reason why each probe is on or off") {
    const TemporaryFolder dir;
    const auto file = dir.path("agent.yaml");
    std::ofstream(file) << "probes: { mysql: off }\n";
    const auto outcome = agent(dir, {"list-probes", "-c", file});
    CHECK(outcome.code == 0);
    for (const char* name :
         {"node ", "nginx ", "app ", "haproxy ", "mysql ", "sockets ", "firewall ", "keepalived ",
          "inventory ", "logs ", "units ", "textfile ", "scrape ", "exec "}) {
        CHECK(contains(outcome.out, std::string("\n") + name));
    }
    CHECK(contains(outcome.out, "off (configured)"));
}

TEST_CASE("a probe by hand prints the text format, a failure is printed and gives exit code 1") {
    const TemporaryFolder dir;
    const auto file = dir.path("agent.yaml");
    std::ofstream(file) << "host: web-01\nprobes: { node: off }\n";
    const auto node = agent(dir, {"probe", "node", "-c", file});
    CHECK(node.code == 0);
    CHECK(contains(node.out, "# TYPE node_load1 gauge\n"));
    CHECK(contains(node.out, "node_boot_time_seconds{job=\"node\",instance=\"web-01\"} "));

    const auto unknown = agent(dir, {"probe", "nod", "-c", file});
    CHECK(unknown.code == 2);
    CHECK(contains(unknown.err, "there is no probe \"nod\"; did you mean \"node\"?"));

    std::ofstream(file, std::ios::trunc) << "snapshot: " << dir.path("absent.json") << "\n";
    const auto failed = agent(dir, {"probe", "firewall", "-c", file});
    CHECK(failed.code == 1);
    CHECK(contains(failed.err, "absent.json"));

    const auto unconfigured = agent(dir, {"probe", "app", "-c", file});
    CHECK(unconfigured.code == 2);
    CHECK(contains(unconfigured.err, "nothing to probe"));
}

TEST_CASE("a probe by hand of every kind says why it fails") {
    const TemporaryFolder dir;
    const auto file = dir.path("agent.yaml");
    const auto secret = dir.path("password");
    std::ofstream(secret) << "quiet-word\n";
    chmod(secret.c_str(), 0600);
    ScriptServer denying([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 403 Forbidden\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n");
    });
    ScriptServer asking([](Peer& peer) {
        peer.readRequest();
        peer.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    });
    // Every kind is configured: whichever is run, the keys of the others are known.
    std::ofstream(file) << "host: web-01\nsnapshot: " << dir.path("absent.json")
                        << "\nprobes:\n  node: on\n  sockets: on\n"
                        << "  firewall: on\n  keepalived: on\n  inventory: on\n"
                        << "  nginx: [ { url: 'http://127.0.0.1:1/s' }, { url: '" << denying.url()
                        << "/s', instance: web-02 } ]\n"
                        << "  app: [ { url: 'http://127.0.0.1:1/' }, { url: '" << asking.url() << "/' } ]\n"
                        << "  haproxy: [ { socket: " << dir.path("absent.sock") << " }, { url: '"
                        << asking.url() << "/' } ]\n"
                        << "  mysql: [ { host: 127.0.0.1, port: 1, instance: db-01, user: me, password_file: "
                        << secret << " } ]\n";
    const auto checked = agent(dir, {"check-config", "-c", file});
    INFO(checked.err);
    REQUIRE(checked.code == 0);
    const auto fails = [&](const std::string& name, const std::vector<std::string>& words,
                           const std::string& sample) {
        const auto outcome = agent(dir, {"probe", name, "-c", file});
        INFO(name << ": " << outcome.err);
        CHECK(outcome.code == 1);
        for (const auto& word : words) {
            INFO(word);
            CHECK(contains(outcome.err, word));
        }
        CHECK_FALSE(contains(outcome.err, "unknown key"));
        CHECK_FALSE(contains(outcome.err, "quiet-word"));
        CHECK(contains(outcome.out, sample));
    };
    fails("nginx",
          {"nginx web-01: refused: http://127.0.0.1:1: connect: Connection refused\n",
           "nginx web-02: denied: " + denying.url() + "/s: HTTP 403 instead of the stub_status page\n"},
          "nginx_up{job=\"nginx\",instance=\"web-01\"} 0");
    fails("haproxy",
          {"haproxy web-01: not_found: ", "haproxy web-01: denied: " + asking.url() +
                                              "/: HTTP 401: user and password_file are needed, or wrong\n"},
          "haproxy_up{");
    fails("mysql", {"mysql db-01: "}, "mysql_up{job=\"mysql\",instance=\"db-01\"} 0");
    fails("app",
          {"app web-01: http://127.0.0.1:1/: connect: Connection refused\n",
           "app web-01: " + asking.url() + "/: HTTP 401: user and password_file are needed, or wrong\n"},
          "probe_success{");
    fails("firewall", {"firewall web-01: not_found: ", "absent.json"}, "");
    fails("keepalived", {"keepalived web-01: not_found: ", "absent.json"}, "");
    for (const char* name : {"node", "sockets", "inventory"}) {
        const auto outcome = agent(dir, {"probe", name, "-c", file});
        INFO(outcome.err);
        CHECK(outcome.code == 0);
        CHECK_FALSE(contains(outcome.err, "unknown key"));
    }
}

TEST_CASE("a probe by hand that hangs ends at its deadline") {
    const TemporaryFolder dir;
    ScriptServer silent([](Peer& peer) { peer.hang(); });
    const auto file = dir.path("agent.yaml");
    std::ofstream(file) << "probes: { app: [ { url: '" << silent.url() << "/' } ] }\n";
    const auto before = std::chrono::steady_clock::now();
    const auto outcome = agent(dir, {"probe", "app", "-c", file});
    CHECK(std::chrono::steady_clock::now() - before < 8s);
    CHECK(outcome.code == 1);
    CHECK(contains(outcome.err, "no answer within the deadline"));
}

TEST_CASE("status without an agent is exit code 3") {
    const TemporaryFolder dir;
    const auto outcome = agent(dir, {"status", "--socket", dir.path("agent.sock")});
    CHECK(outcome.code == 3);
    CHECK(contains(outcome.err, "no agent is running"));
    CHECK(outcome.out.empty());
}

TEST_CASE("the daemon delivers, answers status, listens on no port, and stops when asked") {
    const TemporaryFolder dir;
    FakeCollector collector;
    const auto file = writeConfig(dir, collector, kNodeAlone);
    const TemporaryFolder run_dir;
    Program daemon(run_dir.path(), {LAPWING_AGENT, "run", "-c", file});
    REQUIRE(eventually([&] { return collector.values().size() > 50; }));

    Outcome status{};
    REQUIRE(eventually([&] {
        status = agent(dir, {"status", "-c", file});
        return status.code == 0;
    }));
    CHECK(contains(status.out, "web-01"));
    CHECK(contains(status.out, "connected"));
    CHECK(contains(status.out, "\nnode "));
    const auto json = agent(dir, {"status", "--json", "-c", file});
    CHECK(json.code == 0);
    CHECK(contains(json.out, R"("degraded":false)"));
    CHECK(listeningSockets(daemon.pid()) == 0);

    // A second agent on the same state does not start.
    const auto second = agent(dir, {"run", "-c", file});
    CHECK(second.code == 1);

    daemon.signal(SIGTERM);
    CHECK(daemon.wait(5s) == 0);
    CHECK_FALSE(std::filesystem::exists(dir.path("agent.sock")));
    CHECK(contains(daemon.err(), "0 samples wait in the spool"));
    // Its output holds no secret.
    CHECK_FALSE(contains(daemon.err(), "PRIVATE"));
}

TEST_CASE("a hung probe is up 0, and delays neither other probes nor the end") {
    const TemporaryFolder dir;
    FakeCollector collector;
    ScriptServer silent([](Peer& peer) { peer.hang(); });
    const auto file = writeConfig(dir, collector,
                                  "  { app: off, haproxy: off, mysql: off, sockets: off, firewall: off, "
                                  "keepalived: off, inventory: off, logs: off, units: off, textfile: off,\n"
                                  "    nginx: [ { url: '" +
                                      silent.url() + "/' } ] }\n");
    const TemporaryFolder run_dir;
    Program daemon(run_dir.path(), {LAPWING_AGENT, "run", "-c", file});
    std::string table;
    const bool told = eventually([&] {
        const auto status = agent(dir, {"status", "-c", file});
        table = status.out;
        return status.code == 1 && contains(status.out, "TIMEOUT");
    });
    INFO(table << daemon.err());
    REQUIRE(told);
    CHECK(contains(table, "1 probe failing"));
    daemon.signal(SIGTERM);
    CHECK(daemon.wait(5s) == 0);
}

TEST_CASE("an agent that is killed and restarted without a collector delivers the samples of both runs") {
    const TemporaryFolder dir;
    FakeCollector collector;
    collector.stop();
    const auto file = writeConfig(dir, collector, kNodeAlone);
    for (int i = 0; i < 2; ++i) {
        const TemporaryFolder run_dir;
        Program daemon(run_dir.path(), {LAPWING_AGENT, "run", "-c", file});
        // "queue" counts measured samples; they are written a moment later.
        REQUIRE(eventually([&] {
            const auto status = agent(dir, {"status", "--json", "-c", file});
            return status.code == 1 &&
                   contains(status.out, R"("job":"node","instance":"web-01","labels":{},"state":"ok")");
        }));
        std::this_thread::sleep_for(1s);
        daemon.signal(SIGKILL);
        CHECK(daemon.wait() == -1);
    }
    collector.start();
    const TemporaryFolder run_dir;
    Program daemon(run_dir.path(), {LAPWING_AGENT, "run", "-c", file});
    REQUIRE(eventually([&] { return agent(dir, {"status", "-c", file}).code == 0; }));
    // One request brought the samples of two killed agents: `up` of node and agent, at least twice each.
    const auto values = collector.values();
    CHECK(values.size() > 300);
    daemon.signal(SIGTERM);
    CHECK(daemon.wait(5s) == 0);
}
