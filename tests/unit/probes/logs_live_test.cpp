// A real Nginx writes the logs, while they are rotated.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/probes/logs/logs.h"
#include "common/http/client.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::logs;
using lapwing::test::eventually;
using lapwing::test::Samples;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

namespace {

/// Nginx with two servers, one of which passes requests to a good and to a dead upstream server.
struct Nginx {
    test::TemporaryFolder dir;
    std::uint16_t port = test::freePort();
    std::uint16_t dead_port = test::freePort();
    std::string access = dir.path("access.log");
    std::string error = dir.path("error.log");
    std::string config;
    std::unique_ptr<test::Process> process;

    Nginx() {
        std::string text = "daemon off;\nmaster_process off;\npid " + dir.path("pid") + ";\nerror_log " +
                           error + ";\nevents { worker_connections 64; }\nhttp {\n";
        for (const char* what : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
            text += std::string(what) + "_temp_path " + dir.path(what) + ";\n";
        }
        text +=
            "log_format timed '$remote_addr [$time_local] $server_name \"$request\" $status $body_bytes_sent "
            "'\n"
            "'$request_length $request_time \"$http_user_agent\" $upstream_addr $upstream_status '\n"
            "'$upstream_response_time';\n"
            "access_log " +
            access +
            " timed;\n"
            "upstream app { server 127.0.0.1:" +
            std::to_string(dead_port) + " max_fails=0; server 127.0.0.1:" + std::to_string(port) +
            " max_fails=0; }\n"
            "server { listen 127.0.0.1:" +
            std::to_string(port) +
            "; server_name shop.example;\n"
            " location = /ok { return 200 0123456789; }\n location = /gone { return 404; }\n"
            " location = /inner { access_log off; return 200 inner; }\n"
            " location = /app { proxy_pass http://app/inner; } } }\n";
        config = dir.write("nginx.conf", text);
        process = std::make_unique<test::Process>(
            std::vector<std::string>{"/usr/sbin/nginx", "-p", dir.path(), "-c", config}, dir.path("log"));
        REQUIRE(eventually([&] { return get("/inner") == 200; }));
    }
    int get(const std::string& path, const std::string& method = "GET") const {
        http::Request request;
        request.method = method;
        const auto response =
            http::fetch("http://127.0.0.1:" + std::to_string(port) + path, request, milliseconds(5000));
        return response ? response->status : 0;
    }
    void reopen() const { process->signal(SIGUSR1); }
    /// Lines of all files that the rotations have left.
    double linesLeft() const {
        double lines = 0;
        for (const auto& entry : fs::directory_iterator(dir.path())) {
            if (entry.path().filename().string().starts_with("access.log")) {
                std::ifstream in(entry.path());
                for (std::string line; std::getline(in, line);) {
                    ++lines;
                }
            }
        }
        return lines;
    }
};

/// A probe with the logs that Nginx's configuration names.
struct Probed {
    const Nginx& nginx;
    std::unique_ptr<LogsProbe> probe;

    explicit Probed(const Nginx& server) : nginx(server) { restart(); }
    void restart() {
        probe = std::make_unique<LogsProbe>([this] { return logsOfNginx(nginx.config, hostFiles()); });
        probe->keepIn(nginx.dir.path());
    }
    Samples run() const {
        auto result = probe->collect(Deadline(std::chrono::seconds(20)));
        REQUIRE(result);
        return Samples(result->families);
    }
    /// All requests that are counted.
    double total() const {
        const auto samples = run();
        double out = 0;
        for (const auto& series : samples.series()) {
            out +=
                series.labels.metricName() == "nginx_http_response_count_total" ? series.samples[0].value : 0;
        }
        return out;
    }
};

/// Asks for a page again and again, in a thread of its own.
class Visitor {
  public:
    explicit Visitor(const Nginx& nginx)
        : thread_([this, &nginx] {
              while (!left_) {
                  sent_ += nginx.get("/ok") == 200 ? 1 : 0;
              }
          }) {}
    ~Visitor() { leave(); }
    Visitor(const Visitor&) = delete;
    Visitor& operator=(const Visitor&) = delete;

    /// Requests that were answered with 200.
    int sent() const { return sent_; }
    int leave() {
        left_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
        return sent_;
    }

  private:
    std::atomic<int> sent_{0};
    std::atomic<bool> left_{false};
    std::thread thread_;  // the last member: it uses the others
};

}  // namespace

TEST_CASE("the counts of a real Nginx's log are the requests that were sent") {
    Nginx nginx;
    Probed probed(nginx);
    probed.run();
    for (int i = 0; i < 5; ++i) {
        CHECK(nginx.get("/ok") == 200);
        CHECK(nginx.get("/gone?token=1", "POST") == 404);
        CHECK(nginx.get("/app") == 200);
    }
    CHECK(nginx.get("/ok", "BREW") == 200);
    // Nginx writes a line after the client has the answer.
    CHECK(eventually([&] { return probed.total() == 16; }));
    const auto samples = probed.run();
    const auto count = [&](const char* method, const char* status) {
        return samples.value(
            "nginx_http_response_count_total",
            {{"log", nginx.access}, {"server_name", "shop.example"}, {"method", method}, {"status", status}});
    };
    CHECK(count("GET", "200") == 10);
    CHECK(count("POST", "404") == 5);
    CHECK(count("other", "200") == 1);
    const Labels shop{{"log", nginx.access}, {"server_name", "shop.example"}};
    CHECK(*samples.value("nginx_http_response_size_bytes", shop) >= 5 * 10 + 5 * 5 + 10);
    CHECK(samples.value("nginx_http_response_time_seconds_hist_count", shop) == 16);
    // Each of the two takes the first try in turn, and the dead one fails it.
    const auto responses = [&](std::uint16_t port, const char* status) {
        return samples.value(
            "lapwing_nginx_upstream_responses_total",
            {{"log", nginx.access}, {"upstream", "127.0.0.1:" + std::to_string(port)}, {"status", status}});
    };
    CHECK(responses(nginx.port, "200") == 5);
    CHECK(*responses(nginx.dead_port, "502") >= 2);
    CHECK(samples.value("lapwing_nginx_error_log_messages_total",
                        {{"log", nginx.error}, {"level", "error"}}) == responses(nginx.dead_port, "502"));
    CHECK(samples.value("lapwing_log_lines_total", {{"log", nginx.access}, {"result", "unparsed"}}) == 0);
}

TEST_CASE("rotations by renaming, while requests come and the agent restarts, lose and double nothing") {
    Nginx nginx;
    Probed probed(nginx);
    probed.run();
    Visitor visitor(nginx);
    for (int rotation = 1; rotation <= 12; ++rotation) {
        const int before = visitor.sent();
        CHECK(eventually([&] { return visitor.sent() >= before + 20; }));
        for (int number = rotation - 1; number >= 1; --number) {
            fs::rename(nginx.access + "." + std::to_string(number),
                       nginx.access + "." + std::to_string(number + 1));
        }
        fs::rename(nginx.access, nginx.access + ".1");
        if (rotation % 3 == 0) {
            probed.run();
        }
        nginx.reopen();
        CHECK(eventually([&] { return fs::exists(nginx.access); }));
        if (rotation % 4 == 0) {
            probed.restart();
        } else if (rotation % 4 != 1) {
            probed.run();
        }
    }
    const int sent = visitor.leave();
    CHECK(eventually([&] { return probed.total() >= sent; }));
    CHECK(probed.total() == sent);
    probed.restart();
    CHECK(probed.total() == sent);
    CHECK(nginx.linesLeft() == sent);
}

TEST_CASE("copytruncate, while requests come: what is left is counted, and nothing twice") {
    Nginx nginx;
    Probed probed(nginx);
    probed.run();
    Visitor visitor(nginx);
    for (int rotation = 1; rotation <= 8; ++rotation) {
        // The file must have had a line at the last look: an empty one cannot be told from its copy.
        for (int look = 0; look < 2; ++look) {
            const int before = visitor.sent();
            CHECK(eventually([&] { return visitor.sent() >= before + 20; }));
            if (look == 0) {
                probed.run();
            }
        }
        fs::copy_file(nginx.access, nginx.access + "-" + std::to_string(100 + rotation));
        fs::resize_file(nginx.access, 0);
        if (rotation % 3 == 0) {
            probed.restart();
        }
        probed.run();
    }
    const int sent = visitor.leave();
    std::this_thread::sleep_for(milliseconds(200));  // for the last line
    const auto total = probed.total();
    // Lines that Nginx writes between the copy and the truncation are lost to everybody.
    CHECK(total >= nginx.linesLeft());
    CHECK(total <= sent);

    // Without such a line, none is missing.
    const int quiet = 50;
    for (int i = 0; i < quiet; ++i) {
        REQUIRE(nginx.get("/ok") == 200);
    }
    CHECK(eventually([&] { return probed.total() == total + quiet; }));
    for (int i = 0; i < quiet; ++i) {
        REQUIRE(nginx.get("/ok") == 200);
    }
    std::this_thread::sleep_for(milliseconds(200));
    fs::copy_file(nginx.access, nginx.access + "-200");
    fs::resize_file(nginx.access, 0);
    REQUIRE(nginx.get("/ok") == 200);
    CHECK(eventually([&] { return probed.total() == total + 2 * quiet + 1; }));
    CHECK(probed.total() == total + 2 * quiet + 1);
}
