// The evaluator against the kernel for VRRP: packets of protocol 112, to the group and to the host.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <set>

#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/against_kernel.h"
#include "tests/unit/reach/generator.h"

using namespace lapwing;
using reach::Verdict;

namespace {

constexpr int kVrrp = 112;
constexpr std::array kSources = {"10.213.7.2", "10.213.7.3"};
constexpr std::array kDestinations = {"224.0.0.18", "10.213.7.1"};
constexpr std::chrono::milliseconds kPatience{60};
constexpr std::chrono::milliseconds kLongPatience{3'000};

const char* const kTable[] = {
    "",
    "table inet f { chain i { type filter hook input priority 0; policy drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; ip protocol vrrp accept; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; ip protocol 112 ip saddr "
    "10.213.7.2 "
    "accept; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; meta l4proto { tcp, vrrp } "
    "accept; }; }",
    "table ip f { chain i { type filter hook input priority 0; policy accept; ip daddr 224.0.0.18 drop; }; }",
    "table ip f { chain i { type filter hook input priority 0; policy accept; ip protocol vrrp ip saddr "
    "10.213.7.3 "
    "drop; }; }",
    "table ip f { chain i { type filter hook input priority 0; policy accept; pkttype multicast drop; }; }",
    "table ip f { chain i { type filter hook input priority 0; policy drop; fib daddr type multicast accept; "
    "}; }",
    "table ip f { chain i { type filter hook input priority 0; policy drop; fib daddr type local accept; }; "
    "}",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport 1-65535 drop; udp "
    "dport "
    "1-65535 drop; icmp type echo-request drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; ct state new accept; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established,related "
    "accept; }; "
    "}",
    "table inet f { chain p { type filter hook prerouting priority -300; policy accept; meta l4proto 112 "
    "drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; ip6 nexthdr vrrp drop; ip "
    "protocol != "
    "tcp reject; }; }",
};

std::uint32_t address(const char* text) {
    in_addr out{};
    inet_pton(AF_INET, text, &out);
    return out.s_addr;
}

/// A program of the server's namespace that hears VRRP, as keepalived does.
class Listener {
  public:
    explicit Listener(const test::Namespaces& namespaces) {
        namespaces.inServer([&] {
            fd_ = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrp);
            ip_mreqn group{};
            group.imr_multiaddr.s_addr = address("224.0.0.18");
            group.imr_address.s_addr = address("10.213.7.1");
            setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
        });
    }
    ~Listener() { close(fd_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    int fd() const { return fd_; }

    using Heard = std::set<std::pair<std::uint32_t, std::uint32_t>>;  ///< source and destination

    /// What comes until nothing has come for a while, or all that is awaited.
    Heard hear(std::size_t awaited, std::chrono::milliseconds patience) const {
        Heard out;
        pollfd waiting{fd_, POLLIN, 0};
        while (out.size() < awaited && poll(&waiting, 1, static_cast<int>(patience.count())) == 1) {
            std::array<unsigned char, 256> packet{};
            if (recv(fd_, packet.data(), packet.size(), 0) >= 20) {
                std::uint32_t from = 0;
                std::uint32_t to = 0;
                std::copy_n(packet.data() + 12, 4, reinterpret_cast<unsigned char*>(&from));
                std::copy_n(packet.data() + 16, 4, reinterpret_cast<unsigned char*>(&to));
                out.insert({from, to});
            }
        }
        return out;
    }

  private:
    int fd_ = -1;
};

void sendAll(const test::Namespaces& namespaces) {
    namespaces.inClient([] {
        for (const auto* source : kSources) {
            const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrp);
            sockaddr_in own{};
            own.sin_family = AF_INET;
            own.sin_addr.s_addr = address(source);
            REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
            setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &own.sin_addr, sizeof own.sin_addr);
            for (const auto* destination : kDestinations) {
                sockaddr_in to{};
                to.sin_family = AF_INET;
                to.sin_addr.s_addr = address(destination);
                const std::array<char, 20> advertisement{0x21, 51, 100, 1, 0, 1};
                sendto(fd, advertisement.data(), advertisement.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof to);
            }
            close(fd);
        }
    });
}

struct Tally {
    int reach = 0;
    int block = 0;
    int may = 0;
};

void compare(const test::Namespaces& namespaces, const Listener& listener, Tally& tally) {
    const auto ruleset = reach::Ruleset::parse(test::listingIn(namespaces));
    REQUIRE(ruleset);
    namespaces.forgetNeighbours();
    sendAll(namespaces);
    const auto all = kSources.size() * kDestinations.size();
    auto heard = listener.hear(all, kPatience);
    bool again = true;
    for (const auto* source : kSources) {
        for (const auto* destination : kDestinations) {
            reach::Packet packet;
            packet.protocol = reach::Protocol::vrrp;
            packet.source = reach::AddressRange::of(*reach::Address::parse(source));
            packet.destination = *reach::Address::parse(destination);
            packet.interface = "veth-s";
            const auto result = ruleset->evaluate(packet);
            const auto has_come = [&] { return heard.contains({address(source), address(destination)}); };
            if (result.verdict == Verdict::must_reach && !has_come() && again) {
                // The machine may be slow. Only what does not come for long is a contradiction.
                again = false;
                sendAll(namespaces);
                heard.merge(listener.hear(all, kLongPatience));
            }
            const bool came = has_come();
            INFO(source << " to " << destination << ": " << reach::verdictName(result.verdict));
            if (result.verdict == Verdict::must_reach) {
                CHECK(came);
                ++tally.reach;
            } else if (result.verdict == Verdict::must_block) {
                CHECK_FALSE(came);
                ++tally.block;
            } else {
                ++tally.may;
            }
        }
    }
}

}  // namespace

TEST_CASE("VRRP: certain verdicts never contradict the kernel", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    const Listener listener(namespaces);
    REQUIRE(listener.fd() >= 0);
    Tally tally;
    for (const auto* text : kTable) {
        INFO(text);
        REQUIRE(namespaces.loadRules(text).empty());
        compare(namespaces, listener, tally);
    }
    CHECK(tally.reach >= 20);
    CHECK(tally.block >= 15);
    CHECK(tally.may == 0);
}

TEST_CASE("VRRP: generated rulesets", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    const Listener listener(namespaces);
    std::mt19937 random(112);
    Tally tally;
    int compared = 0;
    const int wanted = test::isLong() ? 400 : 60;
    for (int i = 0; i < wanted; ++i) {
        const auto rules = test::generateRules(random);
        // Conntrack keeps a translation for as long as it hears the same addresses: the next ruleset's
        // packets would still be sent elsewhere.
        const bool translates =
            rules.nft.find("nat") != std::string::npos || rules.nft.find("redirect") != std::string::npos;
        if (translates || !namespaces.loadRules(rules.nft).empty()) {
            continue;
        }
        INFO(rules.nft);
        compare(namespaces, listener, tally);
        ++compared;
    }
    CHECK(compared > wanted / 5);
    CHECK(tally.block > 0);
    CHECK(tally.reach > 0);
}
