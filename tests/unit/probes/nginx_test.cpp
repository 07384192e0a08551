#include "agent/probes/nginx/nginx.h"

#include <filesystem>
#include <fstream>

#include "agent/probes/kind.h"
#include "agent/probes/nginx/parse.h"
#include "agent/probes/nginx/processes.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::eventually;
using lapwing::test::fixture;
using lapwing::test::Samples;
using std::chrono::milliseconds;

namespace {

struct Nginx {
    test::TemporaryFolder dir;
    std::uint16_t port = test::freePort();
    std::string socket = dir.path("status.sock");
    std::unique_ptr<test::Process> process;

    Nginx() {
        const auto text =
            "daemon off;\nmaster_process off;\npid " + dir.path("pid") + ";\nerror_log " +
            dir.path("error.log") +
            ";\nevents { worker_connections 64; }\nhttp { access_log off; client_body_temp_path " +
            dir.path("b") + "; proxy_temp_path " + dir.path("p") + "; fastcgi_temp_path " + dir.path("f") +
            "; uwsgi_temp_path " + dir.path("u") + "; scgi_temp_path " + dir.path("s") +
            ";\n server { listen 127.0.0.1:" + std::to_string(port) + "; listen unix:" + socket +
            ";\n location = /nginx_status { stub_status; }\n location = /closed { deny all; }\n"
            " location = /text { return 200 hello; }\n location = /gone { return 404; }\n } }\n";
        process =
            std::make_unique<test::Process>(std::vector<std::string>{"/usr/sbin/nginx", "-p", dir.path(),
                                                                     "-c", dir.write("nginx.conf", text)},
                                            dir.path("log"));
        REQUIRE(
            eventually([&] { return nginx::requestStatus(*parseTarget(url()), milliseconds(500)).status; }));
    }
    std::string url(const std::string& path = "/nginx_status") const {
        return "http://127.0.0.1:" + std::to_string(port) + path;
    }
};

ProbeResult ask(Probe& probe, milliseconds deadline = milliseconds(4000)) {
    auto result = probe.collect(Deadline(deadline));
    REQUIRE(result);
    return std::move(*result);
}

}  // namespace

TEST_CASE("workers without a master: by the titles and parents of the processes") {
    test::TemporaryFolder proc;
    const auto process = [&](int pid, int parent, const std::string& comm, const std::string& title) {
        const auto folder = proc.path(std::to_string(pid));
        std::filesystem::create_directory(folder);
        std::ofstream(folder + "/comm") << comm << '\n';
        std::ofstream(folder + "/cmdline") << title << '\0';
        std::ofstream(folder + "/stat") << pid << " (" << comm << ") S " << parent << " 1 1 0\n";
    };
    std::filesystem::create_directory(proc.path("net"));
    std::ofstream(proc.path("uptime")) << "1 1\n";
    process(1, 0, "systemd", "/sbin/init");
    process(2, 0, "kthreadd", "");
    CHECK(nginx::workersWithoutMaster(proc.path()) == std::nullopt);
    process(10, 1, "nginx", "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;");
    process(11, 10, "nginx", "nginx: worker process");
    process(12, 10, "nginx", "nginx: worker process is shutting down");
    process(13, 10, "nginx", "nginx: cache manager process");
    process(14, 1, "nginx-debug) S 10", "nginx -t");
    CHECK(nginx::workersWithoutMaster(proc.path()) == 0U);
    process(21, 1, "nginx", "nginx: worker process");
    CHECK(nginx::workersWithoutMaster(proc.path()) == 1U);
    std::filesystem::remove_all(proc.path("10"));
    CHECK(nginx::workersWithoutMaster(proc.path()) == 3U);
    CHECK(nginx::workersWithoutMaster(proc.path("missing")) == std::nullopt);
}

TEST_CASE("the stub_status page of Nginx 1.22") {
    const auto families = nginx::parseStubStatus(fixture("nginx/stub_status-1.22.txt"));
    REQUIRE(families);
    const Samples samples(*families);
    CHECK(samples.size() == 7);
    CHECK(samples.value("nginx_connections_active") == 3);
    CHECK(samples.value("nginx_connections_accepted") == 7);
    CHECK(samples.value("nginx_connections_handled") == 7);
    CHECK(samples.value("nginx_http_requests_total") == 6);
    CHECK(samples.value("nginx_connections_reading") == 0);
    CHECK(samples.value("nginx_connections_writing") == 1);
    CHECK(samples.value("nginx_connections_waiting") == 2);
}

TEST_CASE("a page that is not stub_status is an error, not zeros") {
    const auto whole = fixture("nginx/stub_status-1.22.txt");
    std::vector<std::string> wrong = {"", fixture("nginx/forbidden-1.22.html"), whole + "more"};
    const std::string rest = "server accepts handled requests\n 1 1 1\nReading: 0 Writing: 1 Waiting: 0\n";
    for (const char* active : {"-1", "x"}) {
        wrong.push_back(std::string("Active connections: ").append(active).append("\n").append(rest));
    }
    // A page that is truncated before its last number is not a status page.
    for (std::size_t size = 0; size < whole.find("2 \n"); ++size) {
        wrong.push_back(whole.substr(0, size));
    }
    for (const auto& text : wrong) {
        const auto families = nginx::parseStubStatus(text);
        INFO(text);
        REQUIRE_FALSE(families);
        CHECK(families.error().kind == ErrorKind::protocol);
    }
}

TEST_CASE("a real Nginx, over TCP and over a unix socket") {
    Nginx server;
    for (const auto& url : {server.url(), "unix:" + server.socket + ":/nginx_status"}) {
        nginx::NginxProbe probe({*parseTarget(url)});
        for (int run = 0; run < 2; ++run) {
            const auto result = ask(probe);
            CHECK_FALSE(result.failure);
            const Samples samples(result.families);
            CHECK(samples.value("nginx_up") == 1);
            CHECK(*samples.value("nginx_http_requests_total") >= 1);
            CHECK(samples.value("nginx_connections_writing") == 1);
        }
    }
}

TEST_CASE("an error page is not the same as no Nginx") {
    Nginx server;
    struct Case {
        const char* path;
        ErrorKind kind;
        const char* message;
    };
    for (const auto& expected :
         {Case{"/closed", ErrorKind::denied, ": HTTP 403 instead of the stub_status page"},
          Case{"/gone", ErrorKind::not_found, ": HTTP 404 instead of the stub_status page"},
          Case{"/text", ErrorKind::protocol, ": the answer is not what stub_status prints"}}) {
        nginx::NginxProbe probe({*parseTarget(server.url(expected.path))});
        const auto result = ask(probe);
        REQUIRE(result.failure);
        CHECK(result.failure->kind == expected.kind);
        CHECK(result.failure->message == server.url(expected.path) + expected.message);
        CHECK(Samples(result.families).value("nginx_up") == 1);
    }
    server.process->stop();
    nginx::NginxProbe probe({*parseTarget(server.url())});
    const auto result = ask(probe);
    REQUIRE(result.failure);
    CHECK(result.failure->kind == ErrorKind::refused);
    CHECK(Samples(result.families).value("nginx_up") == 0);
}

TEST_CASE("Nginx stopped by SIGSTOP: timeout within the deadline, and back") {
    Nginx server;
    nginx::NginxProbe probe({*parseTarget(server.url())});
    CHECK_FALSE(ask(probe).failure);
    auto frozen = std::make_unique<test::Frozen>(*server.process);
    for (int i = 0; i < 2; ++i) {
        const Deadline deadline(milliseconds(600));
        auto result = probe.collect(deadline);
        CHECK(Deadline::Clock::now() < deadline.at() + std::chrono::seconds(2));  // room for a busy machine
        REQUIRE(result->failure);
        CHECK(result->failure->kind == ErrorKind::timeout);
        CHECK(Samples(result->families).value("nginx_up") == 0);
    }
    frozen.reset();
    CHECK_FALSE(ask(probe).failure);
}

TEST_CASE("the place that has the page is kept among several") {
    Nginx server;
    nginx::NginxProbe probe(
        {*parseTarget("http://127.0.0.1:" + std::to_string(test::freePort()) + "/nginx_status"),
         *parseTarget(server.url("/gone")), *parseTarget(server.url())});
    const auto first = ask(probe);
    CHECK_FALSE(first.failure);
    CHECK(Samples(first.families).value("nginx_up") == 1);
    const auto before = *Samples(ask(probe).families).value("nginx_http_requests_total");
    CHECK(*Samples(ask(probe).families).value("nginx_http_requests_total") == before + 1);
}

TEST_CASE("configuration of nginx") {
    const auto configure = [](const std::string& yaml, std::vector<ProbeSpec>& specs) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        ProbeContext context;
        context.host = "web-01";
        nginxProbe().configure(root["probes"]["nginx"], context, specs);
        std::vector<std::string> problems;
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.toString());
        }
        return problems;
    };
    std::vector<ProbeSpec> specs;
    CHECK(configure(
              "probes: { nginx: [ { url: 'http://127.0.0.1/nginx_status' }, { url: 'unix:/run/n.sock' } ] }",
              specs)
              .empty());
    REQUIRE(specs.size() == 2);
    CHECK(specs[0].job == "nginx");
    CHECK(specs[0].instance == "web-01");
    specs.clear();
    CHECK(configure("probes: { nginx: off }", specs).empty());
    CHECK(specs.empty());
    const auto problems = configure(
        "probes:\n  nginx:\n    - { url: 'http://10.0.0.1/' }\n    - {}\n    - { url: nonsense }\n    - { "
        "url: 'http://a:s3cret@h/' }\n",
        specs);
    CHECK(specs.empty());
    REQUIRE(problems.size() == 4);
    CHECK(problems[1] == "agent.yaml:4:7: probes.nginx[1] needs a url");
    CHECK(problems[3].find("s3cret") == std::string::npos);
}

TEST_CASE("URLs of probes") {
    const auto plain = parseTarget("http://host:8404/a/b?c=d#e");
    REQUIRE(plain);
    CHECK(plain->base == "http://host:8404");
    CHECK(plain->path == "/a/b?c=d");
    CHECK(plain->host == "host");
    CHECK_FALSE(plain->isLocal());
    CHECK(parseTarget("http://127.0.0.1")->path == "/");
    CHECK(parseTarget("http://127.0.0.1?x")->path == "/?x");
    CHECK(parseTarget("https://[::1]:8443/")->host == "::1");
    CHECK(parseTarget("https://[::1]:8443/")->isLocal());
    CHECK(parseTarget("unix:/run/a.sock:/x?y")->base == "unix:/run/a.sock");
    CHECK(parseTarget("unix:/run/a.sock:/x?y")->path == "/x?y");
    CHECK(parseTarget("unix:/run/a.sock")->path == "/");
    CHECK_FALSE(parseTarget("ftp://host/"));
    CHECK_FALSE(parseTarget("http:///x"));
    CHECK(basicAuthorization("Aladdin", "open sesame").second == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}
