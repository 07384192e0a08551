#include "agent/status/status.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "agent/status/self_probe.h"
#include "agent/status/socket.h"
#include "common/model/families.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/unix_socket.h"
#include "tests/unit/temporary_folder.h"

using namespace std::chrono_literals;
using namespace lapwing::agent;
using lapwing::ErrorKind;
using lapwing::test::boundSocket;
using lapwing::test::TemporaryFolder;

namespace {

AgentStatus sample() {
    AgentStatus status;
    status.version = "0.1.0";
    status.host = "web-01";
    status.config_file = "/etc/lapwing/agent.yaml";
    status.collector_url = "https://mon:9766";
    status.pid = 812;
    status.running_seconds = 273'601;
    status.delivery.connected = true;
    status.delivery.last_sent = 1'700'000'000'000;
    status.delivery.samples_sent = 12345;
    ProbeState node;
    node.job = "node";
    node.instance = "web-01";
    node.outcome = ProbeState::Outcome::ok;
    node.at = 1'700'000'001'000;
    node.took_seconds = 0.0042;
    node.samples = 86;
    status.probes.push_back(node);
    return status;
}

ProbeState denied() {
    ProbeState haproxy;
    haproxy.job = "haproxy";
    haproxy.instance = "lb-01";
    haproxy.labels = {{"via", "socket"}};
    haproxy.outcome = ProbeState::Outcome::failed;
    haproxy.reason = "denied";
    haproxy.message = "/run/haproxy/mon.sock: permission denied";
    haproxy.at = 1'700'000'001'000;
    haproxy.took_seconds = 1.25;
    return haproxy;
}

int connectRaw(const std::string& path) {
    const auto address = lapwing::test::unixAddress(path);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return descriptor;
}

}  // namespace

TEST_CASE("the table of a healthy agent") {
    const auto text = statusText(statusJson(sample()), 1'700'000'004'000);
    REQUIRE(text);
    CHECK_FALSE(text->degraded);
    CHECK(text->text ==
          "lapwing-agent 0.1.0  web-01  running 3d 4h  pid 812  /etc/lapwing/agent.yaml\n"
          "collector  https://mon:9766  connected  last push 4s ago  queue 0\n"
          "PROBE      INSTANCE  STATE             LAST     TOOK  SAMPLES  NOTE\n"
          "node       web-01    ok              3s ago      4ms       86  \n");
}

TEST_CASE("the kind of a probe is told beside its name") {
    auto status = sample();
    status.probes[0].kind = "scrape";
    status.probes[0].job = "shop";
    CHECK(statusJson(status).find(R"("kind":"scrape","job":"shop")") != std::string::npos);
}

TEST_CASE("a part that a successful probe cannot see is a note, not a failure") {
    auto status = sample();
    status.probes[0].message = "not seen: x (GRANT PROCESS)";
    const auto text = statusText(statusJson(status), 1'700'000'004'000);
    REQUIRE(text);
    CHECK_FALSE(text->degraded);
    CHECK(text->text.find("86  not seen: x (GRANT PROCESS)\n") != std::string::npos);
}

TEST_CASE("problems stand out, and make the agent degraded") {
    auto status = sample();
    status.probes.push_back(denied());
    status.delivery.connected = false;
    status.delivery.trouble = "https://mon:9766: connect: Connection refused";
    status.delivery.spool.samples = 9000;
    status.delivery.spool.dropped = {{"size", 7}, {"age", 0}};
    status.delivery.spool.trouble = "database or disk is full";
    status.delivery.clock = ClockOffset::Estimate{-0.25, 0.001};
    const auto text = statusText(statusJson(status), 1'700'000'004'000);
    REQUIRE(text);
    CHECK(text->degraded);
    CHECK(text->text ==
          "lapwing-agent 0.1.0  web-01  running 3d 4h  pid 812  /etc/lapwing/agent.yaml\n"
          "collector  https://mon:9766  NOT CONNECTED  last push 4s ago  queue 9000\n"
          "           https://mon:9766: connect: Connection refused\n"
          "spool      CANNOT BE WRITTEN  database or disk is full\n"
          "dropped    7 samples (size)\n"
          "clock      +250.0ms from the collector's, give or take 1.0ms\n"
          "PROBE      INSTANCE  STATE             LAST     TOOK  SAMPLES  NOTE\n"
          "node       web-01    ok              3s ago      4ms       86  \n"
          "haproxy    lb-01     DENIED          3s ago     1.2s        0  via=socket /run/haproxy/mon.sock: "
          "permission "
          "denied\n"
          "1 probe failing\n");
}

TEST_CASE("one failing probe is enough to be degraded, escape sequences do not reach the terminal") {
    auto status = sample();
    status.probes.push_back(denied());
    status.probes[1].message = "\x1b[2Jgone \"quoted\"\n";
    const auto text = statusText(statusJson(status), 1'700'000'004'000);
    REQUIRE(text);
    CHECK(text->degraded);
    CHECK(text->text.find('\x1b') == std::string::npos);
    CHECK(text->text.find(" [2Jgone \"quoted\"") != std::string::npos);
}

TEST_CASE("text that is not a status is an error, and absent members are left out") {
    for (const char* bad : {"", "{", "[]", "12"}) {
        CHECK_FALSE(statusText(bad, 0));
    }
    const auto text = statusText(R"({"version": 3, "probes": [{"job": null}, 5]})", 0);
    REQUIRE(text);
    CHECK(text->text.find("PROBE") != std::string::npos);
}

TEST_CASE("the socket answers every client, and hung clients delay no other") {
    const TemporaryFolder dir;
    const auto path = dir.path("agent.sock");
    const std::string large(150'000, 'x');
    auto server = StatusSocket::open(path, [&] { return std::string(large); });
    REQUIRE(server);
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0660);
    // Clients that never read, and a client that left before its answer.
    std::vector<int> hung;
    for (int i = 0; i < 5; ++i) {
        hung.push_back(connectRaw(path));
    }
    close(connectRaw(path));
    const auto answer = readStatus(path, 5s);
    REQUIRE(answer);
    CHECK(*answer == large);
    for (const int descriptor : hung) {
        close(descriptor);
    }
    server->reset();
    CHECK(readStatus(path, 1s).error().kind == ErrorKind::not_found);
}

TEST_CASE("a stale socket is replaced, but not a socket in use or another file") {
    const TemporaryFolder dir;
    const auto path = dir.path("agent.sock");
    const int left = boundSocket(path, SOCK_STREAM);
    REQUIRE(left >= 0);
    close(left);
    CHECK(readStatus(path, 1s).error().kind == ErrorKind::refused);
    auto server = StatusSocket::open(path, [] { return std::string("a"); });
    REQUIRE(server);
    const auto second = StatusSocket::open(path, [] { return std::string("b"); });
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::unavailable);
    CHECK(*readStatus(path, 5s) == "a");

    const auto file = dir.path("precious");
    std::ofstream(file) << "data";
    CHECK(StatusSocket::open(file, [] { return std::string(); }).error().kind == ErrorKind::invalid);
    CHECK(std::ifstream(file).good());
    CHECK(StatusSocket::open(dir.path("no/such/a.sock"), [] { return std::string(); }).error().kind ==
          ErrorKind::not_found);
}

TEST_CASE("an agent that accepts and sends nothing is a timeout") {
    const TemporaryFolder dir;
    const auto path = dir.path("agent.sock");
    const int silent = boundSocket(path, SOCK_STREAM);
    REQUIRE(silent >= 0);
    REQUIRE(listen(silent, 1) == 0);
    CHECK(readStatus(path, 100ms).error().kind == ErrorKind::timeout);
    close(silent);
}

TEST_CASE("the agent's own samples") {
    const TemporaryFolder dir;
    std::ofstream(dir.path("machine-id")) << "0123456789abcdef0123456789abcdef\n";
    DeliveryState state;
    state.spool.samples = 12;
    state.spool.bytes = 345;
    state.samples_sent = 99;
    state.spool.dropped = {{"size", 4}};
    SelfProbe probe("0.1.0", dir.path("machine-id"), [&] { return state; });
    const auto value = [](const ProbeResult& result, const std::string& series) {
        std::vector<lapwing::TimeSeries> all;
        lapwing::appendFamilies(result.families, {}, 1, all);
        for (const auto& each : all) {
            if (each.labels.toString() == series) {
                return each.samples[0].value;
            }
        }
        return -1.0;
    };
    auto result = probe.collect(Deadline(1s));
    REQUIRE(result);
    CHECK(value(*result,
                R"(lapwing_agent_info{machine_id="0123456789abcdef0123456789abcdef", version="0.1.0"})") ==
          1);
    CHECK(value(*result, "lapwing_agent_spool_samples") == 12);
    CHECK(value(*result, "lapwing_agent_spool_bytes") == 345);
    CHECK(value(*result, "lapwing_agent_samples_sent_total") == 99);
    CHECK(value(*result, R"(lapwing_agent_samples_dropped_total{reason="size"})") == 4);
    CHECK(value(*result, R"(lapwing_agent_samples_dropped_total{reason="disk"})") == 0);
    CHECK(value(*result, "process_resident_memory_bytes") > 1'000'000);
    CHECK(value(*result, "process_cpu_seconds_total") > 0);
    // Unknown is not zero.
    CHECK(value(*result, "lapwing_clock_offset_seconds") == -1);
    state.clock = ClockOffset::Estimate{0.5, 0.25};
    result = probe.collect(Deadline(1s));
    CHECK(value(*result, "lapwing_clock_offset_seconds") == 0.5);
    CHECK(value(*result, "lapwing_clock_offset_error_seconds") == 0.25);
}

TEST_CASE("the status lists the peers, and who named them") {
    auto status = sample();
    status.peers = {{{"lb-01", "10.77.0.10", 80, false}, 3, 2}, {{"web-02", "10.77.0.12", 0, true}, 0, 0}};
    const auto text = statusText(statusJson(status), 1'700'000'002'000)->text;
    CHECK(text.find("peer       lb-01 10.77.0.10  configured  2 of 3 ports answered\n") != std::string::npos);
    CHECK(text.find("peer       web-02 10.77.0.12  joined the collector  0 of 0 ports answered\n") !=
          std::string::npos);
}
