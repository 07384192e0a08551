#include "agent/probes/sockets/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/snapshot/helper/socket_units.h"
#include "common/model/sample.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/temporary_folder.h"

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
                                                  {"process", "b\\xffd"}}) == 1);
}

TEST_CASE("without a snapshot the owners are unknown, but the listeners are known") {
    sockets::SocketsProbe probe("/proc", std::make_shared<SnapshotFile>("/nonexistent/snapshot.json"));
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    CHECK(result->families.at(0).name == "lapwing_listener_info");
}

TEST_CASE("a listener's unit is its systemd service") {
    const std::vector<Listener> listeners{{"tcp", "0.0.0.0", false, 3306, 9, true}};
    const test::Samples samples(
        {sockets::listenerFamily(listeners, {{9, {1, "mariadbd", "", "mariadb.service"}}})});
    CHECK(samples.value("lapwing_listener_info", {{"protocol", "tcp"},
                                                  {"family", "ipv4"},
                                                  {"address", "0.0.0.0"},
                                                  {"port", "3306"},
                                                  {"process", "mariadbd"},
                                                  {"unit", "mariadb.service"}}) == 1);
}

TEST_CASE("the sockets of a restarted service keep their owner until the next snapshot") {
    sockets::OwnerMemory memory;
    const std::vector<Listener> before{{"tcp", "0.0.0.0", false, 80, 7, true}};
    const std::vector<Listener> after{{"tcp", "0.0.0.0", false, 80, 8, true},
                                      {"tcp", "0.0.0.0", false, 81, 9, true}};
    const std::map<std::uint64_t, Owner> owners{{7, {12, "nginx", "/usr/sbin/nginx", "nginx.service"}}};
    CHECK(memory.complete(before, owners, 1'000, 2'000).at(7).process == "nginx");
    CHECK(memory.complete({}, owners, 1'000, 3'000).empty());
    // The snapshot is older than the new sockets.
    const auto restarted = memory.complete(after, owners, 1'000, 4'000);
    CHECK(restarted.at(8).process == "nginx");
    CHECK(restarted.at(8).unit == "nginx.service");
    CHECK_FALSE(restarted.contains(9));
    // A later snapshot does not know the owner.
    CHECK(memory.complete(after, {}, 5'000, 6'000).empty());
    CHECK(memory.complete(after, {{8, {13, "haproxy", ""}}}, 7'000, 8'000).at(8).process == "haproxy");
}

TEST_CASE("the service of a process, from its control group") {
    CHECK(serviceOfCgroup("0::/system.slice/mariadb.service\n") == "mariadb.service");
    CHECK(serviceOfCgroup("0::/system.slice/system-shop.slice/shop@8085.service\n") == "shop@8085.service");
    CHECK(serviceOfCgroup("0::/system.slice/app.service/payload/worker\n") == "app.service");
    CHECK(serviceOfCgroup("9:name=systemd:/system.slice/ssh.service\n1:cpu:/\n0::/\n") == "ssh.service");
    CHECK(serviceOfCgroup(
              "2:cpu:/\n1:name=systemd:/system.slice/ssh.service\n0::/system.slice/ssh.service\n") ==
          "ssh.service");
    CHECK(serviceOfCgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n") ==
          "web.service");
    CHECK(serviceOfCgroup("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n").empty());
    CHECK(serviceOfCgroup("0::/user.slice/user-1000.slice/session-3.scope\n").empty());
    CHECK(serviceOfCgroup("0::/system.slice/a:b.service\n") == "a:b.service");
    CHECK(serviceOfCgroup("0::/init.scope\n").empty());
    CHECK(serviceOfCgroup("").empty());
}

namespace {

/// A procfs of its own, for processes that hold sockets.
class FakeProc {
  public:
    FakeProc() {
        std::filesystem::create_directories(path_ + "/self/ns");
        std::filesystem::create_symlink("net:[1]", path_ + "/self/ns/net");
    }

    void process(int pid, const std::string& comm, const std::string& cgroup, const std::vector<int>& inodes,
                 const std::string& network = "net:[1]") const {
        const auto home = path_ + "/" + std::to_string(pid);
        std::filesystem::create_directories(home + "/ns");
        std::filesystem::create_directories(home + "/fd");
        std::filesystem::create_symlink(network, home + "/ns/net");
        std::filesystem::create_symlink("/usr/sbin/" + comm, home + "/exe");
        std::ofstream(home + "/comm") << comm << "\n";
        std::ofstream(home + "/cgroup") << "0::" << cgroup << "\n";
        int fd = 3;
        for (const int inode : inodes) {
            std::filesystem::create_symlink("socket:[" + std::to_string(inode) + "]",
                                            home + "/fd/" + std::to_string(fd++));
        }
    }
    const std::string& path() const { return path_; }

  private:
    test::TemporaryFolder folder_;
    std::string path_ = folder_.path();
};

}  // namespace

TEST_CASE("the owner of a socket accepts its connections, and is systemd only where nobody else does") {
    const FakeProc proc;
    proc.process(1, "systemd", "/init.scope", {11, 12, 13});
    proc.process(40, "nginx", "/system.slice/nginx.service", {10});
    proc.process(41, "nginx", "/system.slice/nginx.service", {10});
    proc.process(50, "mariadbd", "/system.slice/mariadb.service", {11});
    // A service with PrivateNetwork=yes got its socket from systemd.
    proc.process(60, "inner", "/system.slice/inner.service", {12}, "net:[2]");
    proc.process(70, "systemd", "/user.slice/user-1000.slice/user@1000.service/init.scope", {14, 15});
    proc.process(71, "node", "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", {15});
    std::vector<Listener> listeners;
    for (const int inode : {10, 11, 12, 13, 14, 15}) {
        listeners.push_back({"tcp", "0.0.0.0", false, 80, static_cast<std::uint64_t>(inode), true});
    }
    const auto owners = findOwners(proc.path(), listeners).by_inode;
    const auto is = [&](std::uint64_t inode, const std::string& process, const std::string& unit,
                        bool held_by_systemd) {
        const auto& owner = owners.at(inode);
        INFO(inode << " " << owner.process << " " << owner.unit);
        return owner.process == process && owner.unit == unit && owner.held_by_systemd == held_by_systemd;
    };
    CHECK(is(10, "nginx", "nginx.service", false));
    CHECK(owners.at(10).pid == 40);
    CHECK(is(11, "mariadbd", "mariadb.service", false));
    CHECK(is(12, "inner", "inner.service", false));
    CHECK(is(13, "systemd", "", true));
    CHECK(is(14, "systemd", "", true));
    CHECK(is(15, "node", "web.service", false));
}

TEST_CASE("systemd's socket units, as systemctl shows them") {
    const auto units = parseSocketUnits(
        "Accept=no\nListen=@mariadb (Stream)\nListen=/run/mysqld/mysqld.sock (Stream)\nListen=[::]:3306 "
        "(Stream)\nId=mariadb.socket\nTriggers=mariadb.service\n\nAccept=yes\nListen=[::]:8083 "
        "(Stream)\nId=each.socket\nTriggers=\n\nId=log.socket\nListen=0.0.0.0:514 "
        "(Datagram)\nTriggers=log.service\nAccept=no\n\nAccept=no\nListen=/run/initctl "
        "(FIFO)\nId=systemd-initctl.socket\nTriggers=systemd-initctl.service\n");
    REQUIRE(units.size() == 4);
    const auto service = [&](const char* protocol, const char* address, std::uint16_t port) {
        const auto* unit = unitOf(units, {protocol, address, false, port, 1, true});
        return unit == nullptr ? std::string() : unit->service;
    };
    CHECK(service("tcp", "::", 3306) == "mariadb.service");
    CHECK(service("tcp", "::", 8083) == "each@.service");
    CHECK(service("udp", "0.0.0.0", 514) == "log.service");
    CHECK(service("tcp", "0.0.0.0", 514).empty());
    CHECK(service("tcp", "0.0.0.0", 3306).empty());
    CHECK(parseSocketUnits("").empty());
    CHECK(firstProgram("ExecStart={ path=/usr/sbin/mariadbd ; argv[]=/usr/sbin/mariadbd $OPTS ; "
                       "ignore_errors=no }\n") == "/usr/sbin/mariadbd");
    CHECK(firstProgram("ExecStart=\n").empty());
}

TEST_CASE("incoming connections are open ones to a listening port, by client") {
    const std::vector<sockets::Connection> connections{
        {3306, "10.0.0.9", 40001, true},     {3306, "10.0.0.9", 40002, true},
        {3306, "fd00::9", 40002, true},      {3306, "203.0.114.9", 40003, true},
        {3306, "203.0.114.10", 40003, true}, {3306, "10.0.0.10", 40003, false},
        {3306, "127.0.0.1", 40003, true},    {40002, "10.0.0.11", 3306, true},
        {80, "10.0.0.1", 40003, true},       {80, "10.0.0.2", 40003, true},
        {80, "10.0.0.3", 40003, true},       {80, "10.0.0.1", 40004, true}};
    using Counts = std::map<std::pair<std::uint16_t, std::string>, int>;
    CHECK(sockets::incoming(connections, {80, 3306}, 2) == Counts{{{3306, "10.0.0.9"}, 2},
                                                                  {{3306, "fd00::9"}, 1},
                                                                  {{3306, ""}, 2},
                                                                  {{80, "10.0.0.1"}, 2},
                                                                  {{80, "10.0.0.2"}, 1},
                                                                  {{80, ""}, 1}});
    CHECK(sockets::incoming(connections, {}, 2).empty());
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
    CHECK(std::count_if(listed->begin(), listed->end(), [&](const auto& connection) {
              return connection.local_port == port && connection.open;
          }) == 1);
    ::close(client);
    ::close(server);
}
