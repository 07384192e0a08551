// Against a real HAProxy on loopback, which the test starts.
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/probes/haproxy/haproxy.h"
#include "agent/probes/kind.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::eventually;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;
using std::chrono::milliseconds;

namespace {

struct Haproxy {
    TemporaryFolder dir;
    std::uint16_t page = test::freePort();
    std::uint16_t closed = test::freePort();
    std::string socket = dir.path("user.sock");
    std::unique_ptr<test::Process> process;

    Haproxy() {
        const auto text =
            "global\n stats socket " + socket + " mode 600 level user\n stats socket " +
            dir.path("operator.sock") +
            " mode 600 level operator\n"
            "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
            "frontend page\n bind 127.0.0.1:" +
            std::to_string(page) +
            "\n stats enable\n stats uri /stats\n stats auth watcher:quiet-word\n"
            "backend web\n balance leastconn\n server web-01 127.0.0.1:" +
            std::to_string(closed) + " check inter 100ms fall 1\n";
        process = std::make_unique<test::Process>(
            std::vector<std::string>{"/usr/sbin/haproxy", "-f", dir.write("haproxy.cfg", text)},
            dir.path("log"));
        REQUIRE(eventually([&] {
            return haproxy::SocketProbe(socket).collect(Deadline(milliseconds(500)))->failure == std::nullopt;
        }));
    }
    std::string url(const std::string& path = "/stats") const {
        return "http://127.0.0.1:" + std::to_string(page) + path;
    }
};

std::vector<std::string> configure(const std::string& yaml, std::vector<ProbeSpec>& specs,
                                   std::string* line = nullptr) {
    config::Reader reader;
    const auto root = reader.text(yaml, "agent.yaml");
    ProbeContext context;
    context.host = "lb-01";
    const auto said = haproxyProbe().configure(root["probes"]["haproxy"], context, specs);
    if (line != nullptr) {
        *line = said;
    }
    std::vector<std::string> problems;
    for (const auto& problem : reader.problems()) {
        problems.push_back(problem.toString());
    }
    return problems;
}

}  // namespace

TEST_CASE("haproxy over its socket at the level user") {
    Haproxy server;
    haproxy::SocketProbe probe(server.socket);
    REQUIRE(eventually([&] {
        auto result = probe.collect(Deadline(milliseconds(4000)));
        return Samples(result->takeAll())
                   .value("haproxy_server_status",
                          {{"proxy", "web"}, {"server", "web-01"}, {"state", "DOWN"}}) == 1;
    }));
    auto result = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(result);
    CHECK_FALSE(result->failure);
    const Samples samples(result->takeAll());
    CHECK(samples.value("haproxy_up") == 1);
    CHECK(samples.value("haproxy_process_nbproc") == 1);
    CHECK(samples.label("lapwing_haproxy_server_info", "address") ==
          "127.0.0.1:" + std::to_string(server.closed));
    CHECK(samples.label("lapwing_haproxy_server_info", "check").empty());  // it does not connect
    CHECK(samples.value("haproxy_server_check_status",
                        {{"proxy", "web"}, {"server", "web-01"}, {"state", "L4CON"}}) == 1);
}

TEST_CASE("haproxy over its page: with the password and without it") {
    Haproxy server;
    const auto secret = server.dir.write("password", "quiet-word\n");
    ::chmod(secret.c_str(), 0600);
    std::vector<ProbeSpec> specs;
    REQUIRE(configure("probes: { haproxy: [ { instance: lb-01, url: '" + server.url() +
                          "', user: watcher, password_file: " + secret + " }, { url: '" + server.url() +
                          "' }, { url: '" + server.url("/other") + "' } ] }",
                      specs)
                .empty());
    REQUIRE(specs.size() == 3);
    CHECK(specs[0].job == "haproxy");
    CHECK(specs[0].instance == "lb-01");
    CHECK(specs[0].labels == Labels{{"via", "http"}});
    for (int run = 0; run < 2; ++run) {
        auto good = specs[0].probe->collect(Deadline(milliseconds(4000)));
        REQUIRE(good);
        CHECK_FALSE(good->failure);
        const Samples samples(good->takeAll());
        CHECK(samples.value("haproxy_up") == 1);
        CHECK(samples.value("haproxy_backend_active_servers", {{"proxy", "web"}}).has_value());
        CHECK(samples.count("haproxy_process_uptime_seconds") == 0);
    }
    const auto without = specs[1].probe->collect(Deadline(milliseconds(4000)));
    REQUIRE(without);
    REQUIRE(without->failure);
    CHECK(without->failure->kind == ErrorKind::denied);
    CHECK(without->failure->message ==
          server.url() + ": HTTP 401: user and password_file are needed, or wrong");
    CHECK(Samples(without->families).value("haproxy_up") == 1);  // it answered, and refused us
    const auto elsewhere = specs[2].probe->collect(Deadline(milliseconds(4000)));
    REQUIRE(elsewhere->failure);
    CHECK(Samples(elsewhere->families).value("haproxy_up") == 1);

    ::chmod(secret.c_str(), 0640);
    const auto open = specs[0].probe->collect(Deadline(milliseconds(4000)));
    REQUIRE(open->failure);
    CHECK(Samples(open->families).count("haproxy_up") == 0);  // nothing was asked
    CHECK(open->failure->message == secret + ": others than its owner may read it; chmod 0600 it");
    CHECK(open->failure->message.find("quiet-word") == std::string::npos);
}

TEST_CASE("haproxy stopped by SIGSTOP: an answer within the deadline") {
    Haproxy server;
    haproxy::SocketProbe socket(server.socket);
    haproxy::PageProbe page(*parseTarget(server.url()));
    auto frozen = std::make_unique<test::Frozen>(*server.process);
    for (Probe* probe : std::initializer_list<Probe*>{&socket, &page}) {
        const Deadline deadline(milliseconds(700));
        const auto result = probe->collect(deadline);
        CHECK(Deadline::Clock::now() < deadline.at() + std::chrono::seconds(2));  // room for a busy machine
        REQUIRE(result);
        REQUIRE(result->failure);
        CHECK(result->failure->kind == ErrorKind::timeout);
        CHECK(Samples(result->families).value("haproxy_up") == 0);
    }
    frozen.reset();
    CHECK(eventually([&] { return !socket.collect(Deadline(milliseconds(4000)))->failure; }));
}

TEST_CASE("haproxy killed: refused, then found again") {
    auto server = std::make_unique<Haproxy>();
    haproxy::SocketProbe socket(server->socket);
    haproxy::PageProbe page(*parseTarget(server->url()));
    server->process->stop();
    CHECK(socket.collect(Deadline(milliseconds(1000)))->failure->kind == ErrorKind::refused);
    CHECK(page.collect(Deadline(milliseconds(1000)))->failure->kind == ErrorKind::refused);
    CHECK(haproxy::SocketProbe("/nonexistent/x.sock").collect(Deadline(milliseconds(1000)))->failure->kind ==
          ErrorKind::not_found);
}

TEST_CASE("configuration of haproxy") {
    std::vector<ProbeSpec> specs;
    std::string line;
    CHECK(configure("probes: { haproxy: off }", specs, &line).empty());
    CHECK(line == "haproxy: off (configured)");
    CHECK(specs.empty());
    CHECK(configure("probes: { haproxy: [ { socket: /run/x.sock } ] }", specs).empty());
    REQUIRE(specs.size() == 1);
    CHECK(specs[0].instance == "lb-01");
    CHECK(specs[0].labels == Labels{{"via", "socket"}});
    specs.clear();
    const auto problems = configure(
        "probes:\n"
        "  haproxy:\n"
        "    - { url: 'http://10.77.0.10:8404/' }\n"
        "    - { instance: a, socket: relative }\n"
        "    - { instance: a, url: 'http://me:s3cret@10.77.0.10/' }\n"
        "    - { instance: a, socket: /x, url: 'http://x/' }\n"
        "    - { instance: a, url: 'http://x/', user: me }\n"
        "    - { instance: a, sockt: /x }\n",
        specs);
    CHECK(specs.empty());
    REQUIRE(problems.size() == 7);
    CHECK(problems[0] ==
          "agent.yaml:3:7: probes.haproxy[0] needs an instance: the name of the host that it observes");
    CHECK(problems[1].find("probes.haproxy[1].socket must be an absolute path") != std::string::npos);
    CHECK(problems[2].find("credentials do not belong into a URL") != std::string::npos);
    for (const auto& problem : problems) {
        CHECK(problem.find("s3cret") == std::string::npos);
    }
}
