#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agent/attempts/assignment.h"
#include "agent/attempts/canary.h"
#include "agent/attempts/connect.h"
#include "agent/attempts/greeting.h"
#include "agent/attempts/report.h"
#include "tests/unit/agent/listening.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::Listening;
using std::chrono::milliseconds;

namespace {

const reach::Address kLocal = *reach::Address::parse("127.0.0.1");
const std::vector<Peer> kPeers{{"web-02", "10.77.0.12", 80}, {"web-02", "fd77::12", 80}};

}  // namespace

TEST_CASE("an assignment is followed only for peers of the configuration") {
    const auto orders = parseAssignment(R"({"version":"v1","attempts":[
        {"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":3306,"service":"mysql","since":7},
        {"host":"web-02","address":"FD77::0012","protocol":"tcp","port":80,"service":"nginx"},
        {"host":"web-02","address":"10.77.0.13","protocol":"tcp","port":22},
        {"host":"bank","address":"192.0.2.1","protocol":"tcp","port":443},
        {"host":"web-02","address":"10.77.0.12","protocol":"udp","port":53},
        {"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":0},
        {"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":65536},
        {"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":"22"}, 3, null],
        "canary":[
        {"role":"listen","id":"a","host":"web-02","port":40123,"nonce":"0123456789abcdef","at":5},
        {"role":"connect","id":"b","host":"web-02","port":40123,"nonce":"0123456789abcdef","at":6},
        {"role":"listen","id":"c","host":"bank","port":40123,"nonce":"0123456789abcdef","at":5},
        {"role":"listen","id":"d","host":"web-02","port":22,"nonce":"0123456789abcdef","at":5},
        {"role":"listen","id":"e","host":"web-02","port":40123,"nonce":"short","at":5},
        {"role":"shell","id":"f","host":"web-02","port":40123,"nonce":"0123456789abcdef","at":5}]})",
                                        kPeers, true);
    REQUIRE(orders);
    CHECK(orders->version == "v1");
    REQUIRE(orders->targets.size() == 2);
    CHECK(orders->targets[0].port == 3306);
    CHECK(orders->targets[0].since_us == 7);
    CHECK(orders->targets[1].address.toString() == "fd77::12");
    REQUIRE(orders->canaries.size() == 3);  // a listener, and a connection to both addresses of the peer
    CHECK(orders->canaries[0].listens);
    CHECK(orders->canaries[1].address.toString() == "10.77.0.12");
    CHECK(orders->canaries[2].address.toString() == "fd77::12");
    CHECK(orders->canaries[2].at_us == 6);
}

TEST_CASE("without canary no canary runs, and a malformed assignment is an error") {
    const std::string json =
        R"({"version":"v","canary":[{"role":"listen","id":"a","host":"web-02","port":40123,"nonce":"0123456789abcdef","at":5}]})";
    CHECK(parseAssignment(json, kPeers, true)->canaries.size() == 1);
    CHECK(parseAssignment(json, kPeers, false)->canaries.empty());
    for (const auto* bad : {"", "[]", "{}", "{\"version\":3}", "{\"version\":\"\"}", "{\"version\":\"v\""}) {
        CHECK_FALSE(parseAssignment(bad, kPeers, true));
    }
    CHECK(parseAssignment(R"({"version":"v","attempts":7,"canary":{}})", kPeers, true)->targets.empty());
    // A time beyond every clock.
    for (const auto* at : {"9223372036854775807", "-9223372036854775808"}) {
        const auto beyond = parseAssignment(
            R"({"version":"v","canary":[{"role":"listen","id":"a","host":"web-02","port":40123,"nonce":"0123456789abcdef","at":)" +
                std::string(at) + "}]}",
            kPeers, true);
        REQUIRE(beyond);
        CHECK(beyond->canaries.empty());
    }
}

TEST_CASE("discovered peers have joined, and are within the networks of this host or of the configuration") {
    const std::string json = R"({"version":"v","hosts":[
        {"host":"web-01","addresses":["10.77.0.11"]},
        {"host":"web-02","addresses":["10.77.0.12","172.17.0.1","203.0.113.9","no address",7]},
        {"host":"db-01","addresses":["10.78.0.5"]},
        {"host":"named","addresses":["10.77.0.14"]}, {"addresses":["10.77.0.15"]}, 3],
        "attempts":[{"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":3306},
                    {"host":"web-02","address":"10.77.0.12","protocol":"tcp","port":443},
                    {"host":"bank","address":"203.0.113.9","protocol":"tcp","port":443}]})";
    const std::vector<Peer> named{{"named", "10.77.0.99", 80}};
    Surroundings here;
    here.host = "web-01";
    here.own = {*reach::Address::parse("10.77.0.11"), *reach::Address::parse("172.17.0.1")};
    here.attached = {*reach::AddressRange::parse("10.77.0.0/24"),
                     *reach::AddressRange::parse("172.17.0.0/16")};
    const auto hosts = [&](const PeerDiscovery& discovery) {
        std::string out;
        for (const auto& peer : peersOf(json, named, discovery, here)) {
            out += peer.host + " " + peer.address + (peer.discovered ? " found " : " ") +
                   std::to_string(peer.control_port) + "\n";
        }
        return out;
    };
    CHECK(hosts({}) == "named 10.77.0.99 80\n");
    CHECK(hosts({true, {}}) == "named 10.77.0.99 80\nweb-02 10.77.0.12 found 443\n");
    CHECK(hosts({true, {*reach::AddressRange::parse("10.78.0.0/16")}}) ==
          "named 10.77.0.99 80\ndb-01 10.78.0.5 found 0\n");
    // Orders follow for these alone, whatever the collector asks.
    const auto orders = parseAssignment(json, peersOf(json, named, {true, {}}, here), true);
    REQUIRE(orders);
    CHECK(orders->targets.size() == 2);
    CHECK(orders->peers.size() == 2);
    CHECK(peersOf("no JSON", named, {true, {}}, here).size() == 1);
    here.attached.clear();
    CHECK(hosts({true, {}}) == "named 10.77.0.99 80\n");
}

// attacks "peers that an agent discovers"
TEST_CASE("a collector cannot make an agent discover peers without end") {
    std::string list;
    for (int i = 0; i < 1000; ++i) {
        list += std::string(i == 0 ? "" : ",") + "\"10." + std::to_string(i / 250) + ".0." +
                std::to_string(i % 250 + 1) + "\"";
    }
    const auto peers = peersOf(R"({"version":"v","hosts":[{"host":"h","addresses":[)" + list + "]}]}", {},
                               {true, {*reach::AddressRange::parse("10.0.0.0/8")}}, {});
    CHECK(peers.size() == kMostDiscovered);
}

TEST_CASE("the first packets of MariaDB") {
    CHECK(greetingOf(lapwing::test::fixture("attempts/mariadb-10.11-greeting.bin")) == "accepted");
    CHECK(greetingOf(lapwing::test::fixture("attempts/mariadb-10.11-1130.bin")) == "host_not_allowed");
    CHECK(greetingOf(lapwing::test::fixture("attempts/mariadb-10.11-1129.bin")) == "host_blocked");
    CHECK(greetingOf("") == "");
    CHECK(greetingOf("SSH-2.0-OpenSSH_9.2p1\r\n") == "");
    CHECK(greetingOf(lapwing::test::fixture("attempts/mariadb-10.11-greeting.bin").substr(0, 5)) == "");
}

TEST_CASE("a denied login follows the greeting, so that the server counts no broken handshake") {
    const Listening server;
    std::string login;
    ssize_t after = -1;
    std::thread database([&] {
        const int visitor = server.take();
        const auto greeting = lapwing::test::fixture("attempts/mariadb-10.11-greeting.bin");
        // In two parts: a packet may come in pieces.
        send(visitor, greeting.data(), 10, 0);
        std::this_thread::sleep_for(milliseconds(20));
        send(visitor, greeting.data() + 10, greeting.size() - 10, 0);
        std::array<char, 512> buffer{};
        const auto got = recv(visitor, buffer.data(), buffer.size(), 0);
        login.assign(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        const std::string denied("\x09\x00\x00\x02\xff\x15\x04#28000", 13);
        send(visitor, denied.data(), denied.size(), 0);
        // The agent, and only the agent, closes the connection.
        after = recv(visitor, buffer.data(), buffer.size(), 0);
        close(visitor);
    });
    {
        const auto connected = tryConnect(kLocal, kLocal, server.port(), milliseconds(1000));
        REQUIRE(connected.attempted == Attempted::open);
        CHECK(readGreeting(connected.connection, milliseconds(10'000)) == "accepted");
    }
    database.join();
    CHECK(after == 0);
    CHECK(login.find("lapwing-attempt") != std::string::npos);
    CHECK(static_cast<unsigned char>(login.at(3)) == 1);
    CHECK(static_cast<std::size_t>(static_cast<unsigned char>(login.at(0))) == login.size() - 4);
}

TEST_CASE("a server that hangs or violates the protocol costs no more than the deadline") {
    const Listening server;
    const auto started = std::chrono::steady_clock::now();
    const auto connected = tryConnect(kLocal, kLocal, server.port(), milliseconds(1000));
    REQUIRE(connected.attempted == Attempted::open);
    CHECK(readGreeting(connected.connection, milliseconds(100)) == "");
    const int visitor = server.take();
    const std::string endless("\xff\xff\xff\x00\x0a", 5);
    send(visitor, endless.data(), endless.size(), 0);
    CHECK(readGreeting(connected.connection, milliseconds(100)) == "");
    close(visitor);
    CHECK(std::chrono::steady_clock::now() - started < milliseconds(5000));
}

TEST_CASE("the results of an attempt") {
    std::uint16_t closed = 0;
    {
        const Listening gone;
        closed = gone.port();
        CHECK(tryConnect(kLocal, kLocal, closed, milliseconds(1000)).attempted == Attempted::open);
    }
    CHECK(tryConnect(kLocal, kLocal, closed, milliseconds(1000)).attempted == Attempted::refused);
    // An address of another host cannot be a source.
    CHECK(tryConnect(*reach::Address::parse("192.0.2.77"), kLocal, closed, milliseconds(1000)).attempted ==
          Attempted::not_tried);
}

TEST_CASE("a canary is open if its nonce comes, and refused for other data") {
    std::uint16_t port = 0;
    {
        const Listening free_now;
        port = free_now.port();
    }
    std::atomic<bool> stop{false};
    std::atomic<bool> listened{true};
    std::thread canary([&] {
        listened = listenAsCanary(port, "0123456789abcdef",
                                  std::chrono::steady_clock::now() + std::chrono::seconds(20), stop);
    });
    auto result = Attempted::refused;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (result != Attempted::open && listened && std::chrono::steady_clock::now() < give_up) {
        result = tryCanary(kLocal, kLocal, port, "0123456789abcdef", milliseconds(1000));
        std::this_thread::sleep_for(milliseconds(5));
    }
    CHECK(listened);
    CHECK(result == Attempted::open);
    CHECK(tryCanary(kLocal, kLocal, port, "fedcba9876543210", milliseconds(1000)) == Attempted::refused);
    // A port in use cannot be a canary's.
    CHECK_FALSE(listenAsCanary(port, "x", std::chrono::steady_clock::now() + std::chrono::seconds(1), stop));
    stop = true;
    canary.join();
    CHECK(tryCanary(kLocal, kLocal, port, "0123456789abcdef", milliseconds(1000)) == Attempted::refused);
}

TEST_CASE("the classes of an HTTP server's answer") {
    const std::string head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n";
    CHECK(httpGreetingOf(head + "<title>Statistics Report for HAProxy</title>") == "haproxy_stats");
    CHECK(httpGreetingOf(head +
                         "Statistics Report for HAProxy ... Choose the action to perform on the checked") ==
          "haproxy_stats_admin");
    CHECK(httpGreetingOf(head + "hello") == "http_200");
    CHECK(httpGreetingOf("HTTP/1.1 401 Unauthorized\r\n\r\n") == "http_401");
    CHECK(httpGreetingOf("SSH-2.0-OpenSSH_9.2\r\n").empty());
    CHECK(httpGreetingOf("HTTP/1.1").empty());
    CHECK(httpGreetingOf("").empty());
}

TEST_CASE("a report has a result, its time and a greeting for each attempt, the controls and the canaries") {
    const auto address = *reach::Address::parse("10.0.0.1");
    const auto source = *reach::Address::parse("10.0.0.2");
    const Outcome open{false, Attempted::open, "accepted", 1'500'000, {}};
    const Outcome silent{true, Attempted::silent, "", 2'000'000, {}};
    const auto series =
        attemptSeries({{{"web-01", address, 3306, "mysql", 0}, source, open}},
                      {{{"web-01", address}, {true, 80, {}}}}, {{{"web-03", address, 0, source}, silent}}, 7);
    std::map<Labels, double> seen;
    for (const auto& each : series) {
        REQUIRE(each.samples.size() == 1);
        CHECK(each.samples[0].timestamp == 7);
        seen[each.labels] = each.samples[0].value;
    }
    const auto labels = [](const char* name, const char* host, const Labels& more) {
        Labels out{{"__name__", name}, {"job", "firewall"}, {"instance", host}, {"peer", host}};
        for (const auto& label : more) {
            out.set(label.name, label.value);
        }
        return out;
    };
    const auto attempt = [&](const char* name, const Labels& more) {
        auto out = labels(name, "web-01", more);
        for (const auto& [label, value] : std::map<std::string, std::string>{{"address", "10.0.0.1"},
                                                                             {"protocol", "tcp"},
                                                                             {"port", "3306"},
                                                                             {"service", "mysql"},
                                                                             {"source", "10.0.0.2"},
                                                                             {"source_kind", "main"}}) {
            out.set(label, value);
        }
        return out;
    };
    const std::map<Labels, double> expected{
        {attempt("lapwing_attempt_timestamp_seconds", {}), 1.5},
        {attempt("lapwing_attempt_greeting_info", {{"greeting", "accepted"}}), 1},
        {attempt("lapwing_attempt_result", {{"result", "open"}}), 1},
        {labels("lapwing_attempt_control_ok", "web-01", {{"address", "10.0.0.1"}, {"port", "80"}}), 1},
        {labels("lapwing_canary_timestamp_seconds", "web-03",
                {{"source", "10.0.0.2"}, {"source_kind", "second"}}),
         2},
        {labels("lapwing_canary_result", "web-03",
                {{"result", "silent"}, {"source", "10.0.0.2"}, {"source_kind", "second"}}),
         1}};
    CHECK(seen == expected);
}
