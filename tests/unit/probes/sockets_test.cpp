#include "agent/probes/sockets/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "common/model/sample.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;

namespace {

struct Seen {
    std::string protocol;
    std::string address;
    bool ipv6;
    int port;
    bool v6only;
    auto operator<=>(const Seen&) const = default;
};

std::vector<Seen> sorted(const std::vector<Listener>& listeners) {
    std::vector<Seen> out;
    for (const auto& each : listeners) {
        CHECK(each.inode != 0);
        out.push_back({each.protocol, each.address, each.ipv6, each.port, each.ipv6 && each.v6only});
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

TEST_CASE("the kernel's sock_diag lists listeners, and whether they take IPv4 too") {
    std::vector<Listener> found;
    for (const auto& [file, protocol] : {std::pair("tcp4", "tcp"), std::pair("tcp6", "tcp"),
                                         std::pair("udp4", "udp"), std::pair("udp6", "udp")}) {
        const auto bytes = test::fixture(std::string("sockets/sock-diag-") + file + ".bin");
        const auto more = parseSockDiag(bytes.data(), bytes.size(), protocol, found);
        REQUIRE(more);
        CHECK_FALSE(*more);
    }
    CHECK(sorted(found) == std::vector<Seen>{{"tcp", "0.0.0.0", false, 80, false},
                                             {"tcp", "127.0.0.1", false, 8000, false},
                                             {"tcp", "::", true, 3306, true},
                                             {"tcp", "::", true, 9765, false},
                                             {"tcp", "::1", true, 6379, true},
                                             {"udp", "0.0.0.0", false, 123, false},
                                             {"udp", "::", true, 5353, false}});
}

TEST_CASE("a netlink answer that is truncated anywhere is an error") {
    const auto bytes = test::fixture("sockets/sock-diag-tcp6.bin");
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        std::vector<Listener> found;
        const std::string part = bytes.substr(0, size);
        const auto more = parseSockDiag(part.data(), part.size(), "tcp", found);
        CHECK((!more || *more));
        CHECK(found.size() <= 3);
    }
}

TEST_CASE("/proc/net lists the same sockets, but not which IPv6 sockets take IPv4") {
    std::vector<Listener> found;
    for (const auto* protocol : {"tcp", "udp"}) {
        for (const bool ipv6 : {false, true}) {
            const auto text =
                test::fixture(std::string("sockets/proc-net-") + protocol + (ipv6 ? "6" : "") + ".txt");
            for (auto& each : parseProcNet(text, protocol, ipv6)) {
                found.push_back(each);
            }
        }
    }
    CHECK(sorted(found) == std::vector<Seen>{{"tcp", "0.0.0.0", false, 80, false},
                                             {"tcp", "127.0.0.1", false, 8000, false},
                                             {"tcp", "::", true, 3306, false},
                                             {"tcp", "::", true, 9765, false},
                                             {"tcp", "::1", true, 6379, true},
                                             {"udp", "0.0.0.0", false, 123, false},
                                             {"udp", "::", true, 5353, false}});
}

TEST_CASE("malformed lines of /proc/net are left out") {
    CHECK(parseProcNet("", "tcp", false).empty());
    CHECK(parseProcNet("sl\n  0: nonsense\n\n 1: 00000000:0050 zz 0A\n", "tcp", false).empty());
    CHECK(parseProcNet("sl\n 0: 0000000G:0050 00000000:0000 0A 0 0 0 0 0 7 1\n", "tcp", false).empty());
    // An IPv6 line in the file of IPv4.
    CHECK(parseProcNet(test::fixture("sockets/proc-net-tcp6.txt"), "tcp", false).empty());
}

TEST_CASE("each listener is listed once for each family that it serves") {
    std::vector<Listener> listeners{{"tcp", "0.0.0.0", false, 80, 7, true},
                                    {"tcp", "0.0.0.0", false, 80, 8, true},  // SO_REUSEPORT
                                    {"tcp", "::", true, 9765, 9, false},
                                    {"tcp", "::", true, 22, 10, true}};
    const std::map<std::uint64_t, Owner> owners{{7, {1, "nginx", "/usr/sbin/nginx"}}, {8, {1, "nginx", ""}}};
    const test::Samples samples({sockets::listenerFamily(listeners, owners)});
    CHECK(samples.count("lapwing_listener_info") == 4);
    const auto value = [&](const char* family, const char* address, const char* port, const char* process) {
        return samples.value("lapwing_listener_info", {{"protocol", "tcp"},
                                                       {"family", family},
                                                       {"address", address},
                                                       {"port", port},
                                                       {"process", process}});
    };
    CHECK(value("ipv4", "0.0.0.0", "80", "nginx") == 1);
    CHECK(value("ipv4", "::", "9765", "") == 1);
    CHECK(value("ipv6", "::", "9765", "") == 1);
    CHECK(value("ipv6", "::", "22", "") == 1);
}

TEST_CASE("a process whose name is not UTF-8 does not hide its listener") {
    const std::vector<Listener> listeners{{"tcp", "0.0.0.0", false, 4444, 9, true}};
    const test::Samples samples({sockets::listenerFamily(listeners, {{9,
                                                                      {1,
                                                                       "b\xff"
                                                                       "d",
                                                                       ""}}})});
    CHECK(samples.value("lapwing_listener_info", {{"protocol", "tcp"},
                                                  {"family", "ipv4"},
                                                  {"address", "0.0.0.0"},
                                                  {"port", "4444"},
                                                  {"process", "b?d"}}) == 1);
}

TEST_CASE("without a snapshot the owners are unknown, but the listeners are known") {
    sockets::SocketsProbe probe("/proc", std::make_shared<SnapshotFile>("/nonexistent/snapshot.json"));
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    CHECK(result->families.at(0).name == "lapwing_listener_info");
}

TEST_CASE("outgoing connections have a local port without a listener") {
    const std::vector<sockets::Connection> connections{{3306, "10.0.0.9", 40001},
                                                       {40002, "10.0.0.11", 3306},
                                                       {40003, "10.0.0.11", 3306},
                                                       {40004, "::1", 8000}};
    const auto all = sockets::outgoing(connections, {3306}, 10);
    CHECK(all ==
          std::map<std::pair<std::string, std::uint16_t>, int>{{{"10.0.0.11", 3306}, 2}, {{"::1", 8000}, 1}});
    CHECK(sockets::outgoing(connections, {3306}, 1).begin()->first.second == 3306);
}

TEST_CASE("the kernel lists a connection of this machine") {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    REQUIRE(::bind(server, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(server, 1) == 0);
    REQUIRE(::getsockname(server, reinterpret_cast<sockaddr*>(&name), &size) == 0);
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    const auto listed = sockets::listConnections();
    REQUIRE(listed);
    const auto port = ntohs(name.sin_port);
    const auto found = sockets::outgoing(*listed, {port}, 1'000'000);
    CHECK(found.at({"127.0.0.1", port}) == 1);
    ::close(client);
    ::close(server);
}
