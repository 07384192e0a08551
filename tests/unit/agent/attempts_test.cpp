// Attempts between two network namespaces, from a collector's assignment.
#include "agent/attempts/attempts.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "tests/unit/agent/fake_collector.h"
#include "tests/unit/agent/listening.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/namespaces.h"

using namespace lapwing;
using namespace lapwing::agent;
using std::chrono::milliseconds;

namespace {

/// All reported series, and a way to wait for a series.
class Reports {
  public:
    void take(const std::vector<TimeSeries>& series) {
        {
            const std::lock_guard lock(mutex_);
            for (const auto& each : series) {
                if (isStaleNaN(each.samples.at(0).value)) {
                    current_.erase(each.labels);
                } else {
                    current_[each.labels] = each.samples.at(0).value;
                }
            }
        }
        changed_.notify_all();
    }
    /// The value of `label` in the series with the other labels; "" after the time.
    std::string await(const Labels& others, const char* label, const std::string& wanted) {
        std::unique_lock lock(mutex_);
        std::string found;
        changed_.wait_for(lock, std::chrono::seconds(20), [&] {
            found = look(others, label);
            return found == wanted;
        });
        return found;
    }
    double value(const Labels& others) {
        const std::lock_guard lock(mutex_);
        for (const auto& [labels, value] : current_) {
            if (fits(labels, others)) {
                return value;
            }
        }
        return -1;
    }

  private:
    static bool fits(const Labels& labels, const Labels& others) {
        return std::all_of(others.begin(), others.end(),
                           [&](const auto& label) { return labels.get(label.name) == label.value; });
    }
    std::string look(const Labels& others, const char* label) const {
        for (const auto& [labels, value] : current_) {
            if (fits(labels, others)) {
                return std::string(labels.get(label));
            }
        }
        return "";
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<Labels, double> current_;
};

int listenOn(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(listen(fd, 1024) == 0);
    return fd;
}

std::string target(int port, std::int64_t since) {
    return R"({"host":"web-01","address":"10.213.7.1","protocol":"tcp","service":"s","port":)" +
           std::to_string(port) + ",\"since\":" + std::to_string(since) + "}";
}

Labels result(const char* port, const char* kind) {
    return {{"__name__", "lapwing_attempt_result"},
            {"instance", "web-01"},
            {"job", "firewall"},
            {"port", port},
            {"source_kind", kind}};
}

void setLink(const char* name, bool up) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    REQUIRE(ioctl(fd, SIOCGIFFLAGS, &request) == 0);
    const int flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
    request.ifr_flags = static_cast<short>(flags);
    REQUIRE(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
}

void awaitThat(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(milliseconds(50));
    }
}

/// Waits for so many peers; returns how many there are in the end.
std::size_t awaitPeers(const Attempts& attempts, std::size_t wanted) {
    awaitThat([&] { return attempts.peers().size() == wanted; });
    return attempts.peers().size();
}

}  // namespace

TEST_CASE("attempts come from the main and a second address, and again after the target's rules changed",
          "[root]") {
    const test::Namespaces namespaces(3);
    namespaces.need();
    std::vector<int> fds;
    namespaces.inServer([&] { fds = {listenOn(80), listenOn(8080)}; });
    REQUIRE(namespaces
                .loadRules("table inet f { chain i { type filter hook input priority 0; policy accept; tcp "
                           "dport 8081 drop; "
                           "tcp dport 8082 reject with icmpx admin-prohibited; ip saddr 10.213.7.3 tcp dport "
                           "8080 drop; }; }")
                .empty());
    Reports reports;
    namespaces.inClient([&] {
        test::FakeCollector collector;
        std::mutex mutex;
        std::string version = "one";
        std::int64_t since = 0;
        collector.decide([&](const std::string& path, std::size_t) {
            const std::lock_guard lock(mutex);
            test::FakeCollector::Answer answer;
            answer.status = path.ends_with("version=" + version) ? 304 : 200;
            if (answer.status == 200) {
                answer.body =
                    "{\"version\":\"" + version + "\",\"attempts\":[" + target(8080, since) + "," +
                    target(8081, since) + "," + target(8082, since) + "," + target(9, since) +
                    R"(,{"host":"other","address":"10.213.7.99","protocol":"tcp","port":80},)"
                    R"({"host":"far","address":"192.0.2.7","protocol":"tcp","port":80}],"canary":[],)"
                    R"("hosts":[{"host":"web-01","addresses":["10.213.7.1"]},)"
                    R"({"host":"far","addresses":["192.0.2.7"]}]})";
            }
            return answer;
        });
        AttemptsConfig config;
        config.host = "web-02";
        config.collector_url = collector.url();
        config.certificate = std::make_shared<AgentCertificate>("", collector.clientTls(), "");
        config.peers = {{"web-01", "10.213.7.1", 80}};
        config.timeout = milliseconds(300);
        Attempts attempts(
            config, [&](auto series) { reports.take(series); }, [] { return 0.0; });
        attempts.start();
        CHECK(reports.await(result("9", "second"), "result", "refused") == "refused");
        CHECK(reports.await(result("8080", "main"), "result", "open") == "open");
        CHECK(reports.await(result("8080", "second"), "result", "silent") == "silent");
        CHECK(reports.await(result("8080", "second"), "source", "10.213.7.3") == "10.213.7.3");
        CHECK(reports.await(result("8081", "main"), "result", "silent") == "silent");
        CHECK(reports.await(result("8082", "main"), "result", "rejected") == "rejected");
        CHECK(reports.value({{"__name__", "lapwing_attempt_control_ok"}, {"port", "80"}}) == 1);
        CHECK(reports.value({{"instance", "other"}}) == -1);

        // The interval is a minute: only `since` makes it try again now.
        REQUIRE(
            namespaces
                .loadRules(
                    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport "
                    "8080 drop; }; }")
                .empty());
        {
            const std::lock_guard lock(mutex);
            version = "two";
            since = nowMs() * 1000;
        }
        CHECK(reports.await(result("8080", "main"), "result", "silent") == "silent");
        CHECK(reports.await(result("8081", "main"), "result", "refused") == "refused");

        // Discovered: the host that has joined within the network of this one. Nothing else.
        AttemptsConfig discovering = config;
        discovering.peers.clear();
        discovering.discovery.on = true;
        Reports found;
        Attempts discovered(
            discovering, [&](auto series) { found.take(series); }, [] { return 0.0; });
        discovered.start();
        CHECK(found.await(result("9", "main"), "result", "refused") == "refused");
        CHECK(found.value({{"instance", "far"}}) == -1);
        // The assignment stays the same; the network of the peer goes, and comes later.
        setLink("veth-c", false);
        CHECK(awaitPeers(discovered, 0) == 0);
        setLink("veth-c", true);
        CHECK(awaitPeers(discovered, 1) == 1);
        CHECK(found.await(result("9", "main"), "result", "refused") == "refused");
        // That may be the report of before.
        awaitThat([&] {
            const auto peers = discovered.peers();
            return !peers.empty() && peers[0].answered > 0;
        });
        discovered.stop();
        REQUIRE(discovered.peers().size() == 1);
        CHECK(discovered.peers()[0].peer.host == "web-01");
        CHECK(discovered.peers()[0].peer.discovered);
        CHECK(discovered.peers()[0].answered > 0);

        // The collector hangs: stopping does not wait for it.
        collector.decide([](const std::string&, std::size_t) {
            test::FakeCollector::Answer answer;
            answer.hang = true;
            return answer;
        });
        std::this_thread::sleep_for(milliseconds(1200));
        const auto started = std::chrono::steady_clock::now();
        attempts.stop();
        CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(10));
    });
    for (const int fd : fds) {
        close(fd);
    }
}

TEST_CASE("HAProxy's statistics are found at their usual paths and read again at each interval") {
    const test::Listening peer;
    std::vector<std::string> asked;
    std::atomic<bool> password{false};
    std::thread server([&] {
        for (int fd = peer.take(); fd >= 0; fd = peer.take()) {
            std::array<char, 1024> buffer{};
            const auto got = recv(fd, buffer.data(), buffer.size(), 0);
            const std::string request(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
            asked.push_back(request.substr(0, request.find(" HTTP")));
            const bool there = asked.back() == "GET /haproxy?stats";
            const std::string answer =
                password ? "HTTP/1.0 401 Unauthorized\r\n\r\n"
                : there  ? "HTTP/1.0 200 OK\r\n\r\n<title>Statistics Report for HAProxy</title>"
                         : "HTTP/1.0 503 Service Unavailable\r\n\r\n";
            send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
            close(fd);
        }
    });
    {
        test::FakeCollector collector;
        collector.decide([&](const std::string& path, std::size_t) {
            test::FakeCollector::Answer answer;
            answer.status = path.ends_with("version=one") ? 304 : 200;
            answer.body =
                R"({"version":"one","attempts":[{"host":"web-01","address":"127.0.0.1","protocol":"tcp",)"
                R"("service":"haproxy-stats","port":)" +
                std::to_string(peer.port()) + "}]}";
            return answer;
        });
        AttemptsConfig config;
        config.collector_url = collector.url();
        config.certificate = std::make_shared<AgentCertificate>("", collector.clientTls(), "");
        config.peers = {{"web-01", "127.0.0.1", 0}};
        config.interval = milliseconds(500);
        Reports reports;
        Attempts attempts(
            config, [&](auto series) { reports.take(series); }, [] { return 0.0; });
        attempts.start();
        const Labels shown{{"__name__", "lapwing_attempt_greeting_info"}, {"instance", "web-01"}};
        CHECK(reports.await(shown, "greeting", "haproxy_stats") == "haproxy_stats");
        password = true;
        CHECK(reports.await(shown, "greeting", "http_401") == "http_401");
        attempts.stop();
    }
    peer.end();
    server.join();
    REQUIRE(asked.size() > 2);
    CHECK(asked[0] == "GET /");
    CHECK(asked[1] == "GET /haproxy?stats");
    CHECK(asked.back() == "GET /");
}

TEST_CASE("a collector that answers at once, each time anew, drives neither the agent nor its peers") {
    const test::Listening peer;
    test::FakeCollector collector;
    std::atomic<int> asked{0};
    collector.decide([&](const std::string&, std::size_t) {
        test::FakeCollector::Answer answer;
        answer.status = 200;
        // `since` is in 2096.
        answer.body = "{\"version\":\"" + std::to_string(++asked) +
                      R"(","attempts":[{"host":"web-01","address":"127.0.0.1","protocol":"tcp","port":)" +
                      std::to_string(peer.port()) + R"(,"since":4000000000000000}]})";
        return answer;
    });
    AttemptsConfig config;
    config.collector_url = collector.url();
    config.certificate = std::make_shared<AgentCertificate>("", collector.clientTls(), "");
    config.peers = {{"web-01", "127.0.0.1", 0}};
    // "Not later than now" is renewed with each assignment: at most one attempt for each.
    Attempts attempts(
        config, [](const auto&) {}, [] { return 0.0; });
    attempts.start();
    std::this_thread::sleep_for(std::chrono::seconds(3));
    attempts.stop();
    int visits = 0;
    for (int fd = peer.takeWaiting(); fd >= 0; fd = peer.takeWaiting()) {
        close(fd);
        ++visits;
    }
    CHECK(visits >= 1);
    CHECK(visits <= asked);
    CHECK(asked <= 4);
}
