// The evaluator against the kernel: what it says must happen, happens.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <random>

#include "agent/attempts/connect.h"
#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/namespaces.h"

using namespace lapwing;
using namespace lapwing::reach;
using agent::Attempted;

namespace {

constexpr std::uint16_t kPorts[] = {22, 3306, 8080};
constexpr const char* kSources[] = {"10.213.7.2", "10.213.7.3", "fd13:7::2", "fd13:7::3"};
constexpr std::chrono::milliseconds kTimeout{300};

class Listeners {
  public:
    explicit Listeners(const test::Namespaces& namespaces) {
        namespaces.inServer([&] {
            for (const auto port : kPorts) {
                const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
                const int off = 0;
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
                sockaddr_in6 name{};
                name.sin6_family = AF_INET6;
                name.sin6_port = htons(port);
                REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
                // Nobody accepts: the queue must hold every connection of the test.
                REQUIRE(listen(fd, 4096) == 0);
                fds_.push_back(fd);
            }
        });
    }
    ~Listeners() {
        for (const int fd : fds_) {
            close(fd);
        }
    }
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

  private:
    std::vector<int> fds_;
};

Address serverAddress(Family family) {
    return *Address::parse(family == Family::ipv4 ? "10.213.7.1" : "fd13:7::1");
}

struct Case {
    Address source;
    std::uint16_t port;
    Attempted attempted;
};

std::vector<Case> tryAll(const test::Namespaces& namespaces) {
    std::vector<std::future<Case>> running;
    for (const auto* text : kSources) {
        for (const auto port : kPorts) {
            running.push_back(std::async(std::launch::async, [&namespaces, text, port] {
                Case out{*Address::parse(text), port, Attempted::not_tried};
                namespaces.inClient([&] {
                    out.attempted =
                        agent::tryConnect(out.source, serverAddress(out.source.family), port, kTimeout)
                            .attempted;
                });
                return out;
            }));
        }
    }
    std::vector<Case> out;
    for (auto& one : running) {
        out.push_back(one.get());
    }
    return out;
}

struct Count {
    int rulesets = 0;
    int reach = 0;
    int block = 0;
    int may = 0;
};

/// Of the rules that are loaded.
void compare(const test::Namespaces& namespaces, const std::string& text, Count& count) {
    INFO(text);
    ++count.rulesets;
    const auto listing = namespaces.listRules();
    INFO(listing);
    const auto ruleset = Ruleset::parse(listing);
    REQUIRE(ruleset);
    for (const auto& each : tryAll(namespaces)) {
        Packet packet;
        packet.source = AddressRange::of(each.source);
        packet.destination = serverAddress(each.source.family);
        packet.port = each.port;
        packet.interface = "veth-s";
        const auto result = ruleset->evaluate(packet);
        INFO(each.source.toString() << " to port " << each.port << ": " << verdictName(result.verdict)
                                    << ", the kernel: " << agent::attemptedName(each.attempted));
        if (result.verdict == Verdict::must_reach) {
            ++count.reach;
            CHECK(each.attempted == Attempted::open);
        } else if (result.verdict == Verdict::must_block) {
            ++count.block;
            CHECK(each.attempted == (result.rejected ? Attempted::refused : Attempted::silent));
        } else {
            ++count.may;
        }
    }
}

const char* const kTable[] = {
    "",
    "table inet f { chain i { type filter hook input priority 0; policy drop; }; }",
    "table ip f { chain i { type filter hook input priority 0; policy drop; }; }",
    "table ip6 f { chain i { type filter hook input priority 0; policy accept; tcp dport 22 drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy drop; icmpv6 type { "
    "nd-neighbor-solicit, "
    "nd-neighbor-advert } accept; tcp dport { 22, 8080 } accept; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; ip saddr 10.213.7.3 tcp "
    "dport 3306 drop; "
    "}; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; ip saddr != 10.213.7.3 tcp "
    "dport 3306 "
    "drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport 3306 reject with "
    "tcp reset; }; }",
    "table inet a { chain i { type filter hook input priority -10; policy accept; tcp dport 22 accept; }; }\n"
    "table inet b { chain i { type filter hook input priority 0; policy accept; tcp dport 22 drop; }; }",
    "table inet f { chain p { type filter hook prerouting priority -300; policy accept; tcp dport 8080 drop; "
    "}; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport vmap { 22 : drop, "
    "3306 : jump s "
    "}; }; chain s { ip saddr 10.213.7.2 return; drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport 22 goto s; tcp "
    "dport 22 drop; }; "
    "chain s { ip saddr 10.213.7.2 drop; }; }",
    "table inet f { set s { type ipv4_addr . inet_service; flags interval; elements = { 10.213.7.0/31 . 22, "
    "10.213.7.2-"
    "10.213.7.2 . 3000-4000 }; }; chain i { type filter hook input priority 0; policy accept; ip saddr . tcp "
    "dport @s drop; "
    "}; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp flags & "
    "(fin|syn|rst|ack) == syn ct "
    "state new tcp dport 22 drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp sport < 1024 drop; tcp "
    "dport >= 8000 "
    "drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; iifname \"veth-*\" tcp dport "
    "22 drop; iif lo "
    "drop; meta l4proto udp drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; fib daddr type local tcp "
    "dport 22 drop; fib "
    "saddr . iif oif missing drop; meta mark 1 drop; pkttype broadcast drop; }; }",
    "table inet f { chain i { type filter hook input priority 0; policy accept; ct direction reply drop; ct "
    "status dnat "
    "drop; ct mark 7 drop; ip saddr & 255.255.255.254 == 10.213.7.2 tcp dport 22 drop; }; }",
    "table inet f { chain r { type filter hook prerouting priority -300; tcp dport 22 notrack; }; chain i { "
    "type filter hook "
    "input priority 0; policy accept; ct state untracked drop; ct state new tcp dport 3306 drop; }; }",
    "table ip n { chain p { type nat hook prerouting priority -100; tcp dport 22 redirect to :9; }; }\n"
    "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport 8080 drop; }; }",
    "table inet f { set m { type ipv4_addr; size 9; flags dynamic; }; chain i { type filter hook input "
    "priority 0; policy "
    "accept; tcp dport 22 add @m { ip saddr limit rate over 1000/second burst 1000 packets } drop; }; }",
    "table bridge f { chain i { type filter hook input priority 0; policy drop; }; }",
    R"(table inet f { chain i { type filter hook input priority 0; policy accept; oifname != "docker0" tcp dport 22 drop; oif != 1 tcp dport 3306 drop; oifname "veth-s" drop; }; })",
    R"(table inet f { chain i { type filter hook prerouting priority -300; policy accept; ct state invalid tcp dport 22 drop; ct state new tcp dport 8080 drop; ct direction original tcp dport 3306 drop; }; })",
    R"(table inet f { limit l { rate over 1000/second burst 1000 packets; }; chain i { type filter hook input priority 0; policy accept; tcp dport 22 limit name l drop; tcp dport 8080 ct count over 0 drop; tcp dport 3306 ct count over 9 drop; }; })",
    R"(table inet f { set m { type ipv4_addr; size 9; flags dynamic; }; chain i { type filter hook input priority 0; policy accept; tcp dport 22 add @m { ip saddr counter limit rate over 1000/second burst 1000 packets } drop; }; })",
    R"(table inet f { set m { type ipv4_addr; size 9; flags dynamic; }; chain i { type filter hook input priority 0; policy accept; tcp dport 22 add @m { ip saddr }; ip saddr @m tcp dport 22 drop; }; })",
    R"(table inet f { chain r { type filter hook prerouting priority -300; notrack; }; chain i { type filter hook input priority 0; policy accept; ct state established,related accept; ct direction original tcp dport 22 drop; ct status != dnat tcp dport 8080 drop; }; })",
    R"(table inet f { chain o { type filter hook output priority 0; policy accept; tcp sport 8080 drop; }; })",
    R"(table inet f { chain o { type filter hook output priority 0; policy drop; ct state established accept; oifname lo accept; }; })",
};

/// Rules of every construct that the evaluator claims to know, thrown together.
std::string randomRules(std::mt19937& random) {
    const auto pick = [&](std::initializer_list<const char*> from) {
        return std::string(
            *(from.begin() + std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)));
    };
    const auto match = [&] {
        return pick({"tcp dport 22",
                     "tcp dport { 22, 3306 }",
                     "tcp dport 3000-9000",
                     "tcp dport != 22",
                     "th dport 8080",
                     "ip saddr 10.213.7.2",
                     "ip saddr 10.213.7.2/31",
                     "ip saddr { 10.213.7.3, 10.99.0.0/16 }",
                     "ip saddr != 10.213.7.2",
                     "ip saddr @known",
                     "ip saddr != @known",
                     "ip6 saddr fd13:7::2",
                     "ip6 saddr fd13:7::/64",
                     "ip6 saddr != fd13:7::3",
                     "meta nfproto ipv6",
                     "meta nfproto ipv4",
                     "meta l4proto tcp",
                     "ip protocol tcp",
                     "ip6 nexthdr tcp",
                     "ct state new",
                     "ct state established",
                     "ct state != established",
                     "ct state { new, related }",
                     "iifname veth-s",
                     "iifname != veth-s",
                     "iifname \"ve*\"",
                     "tcp flags syn / syn,ack",
                     "tcp flags & (syn|ack) == syn",
                     "tcp sport 1024-65535",
                     "ip daddr 10.213.7.1",
                     "ip6 daddr fd13:7::9",
                     "udp dport 22",
                     "icmp type echo-request",
                     "limit rate 1000/second burst 1000 packets",
                     "ip saddr . tcp dport { 10.213.7.2 . 22, 10.213.7.3 . 3306 }",
                     "meta mark 0",
                     "counter"});
    };
    const auto rule = [&](bool base) {
        std::string out;
        for (int i = std::uniform_int_distribution<int>(0, 2)(random); i > 0; --i) {
            out += match() + " ";
        }
        return out +
               (base ? pick({"accept", "drop", "reject with tcp reset", "jump one", "goto two", "continue",
                             "return", "tcp dport vmap { 22 : accept, 3306 : jump one, 8000-9000 : drop }"})
                     : pick({"accept", "drop", "return", "counter"}));
    };
    const auto rules = [&](bool base) {
        std::string out;
        for (int i = std::uniform_int_distribution<int>(0, 4)(random); i > 0; --i) {
            out += "    " + rule(base) + "\n";
        }
        return out;
    };
    // The verdict is on the first packet: one that the client sends when it has its answer must not be
    // refused.
    const std::string established = "    ct state established accept\n";
    std::string out =
        "table inet f {\n  set known { type ipv4_addr; flags interval; elements = { 10.213.7.3-10.213.7.9, "
        "192.0.2.0/24 }; }\n";
    out += "  chain one {\n" + rules(false) + "  }\n  chain two {\n" + rules(false) + "  }\n";
    out += "  chain early {\n    type filter hook prerouting priority -150; policy accept;\n" + established;
    out +=
        (std::uniform_int_distribution<int>(0, 2)(random) == 0 ? "    " + match() + " drop\n" : "") + "  }\n";
    out += "  chain in {\n    type filter hook input priority 0; policy " + pick({"accept", "drop"}) + ";\n" +
           established;
    return out + rules(true) + "  }\n}\n";
}

}  // namespace

TEST_CASE("certain verdicts never contradict the kernel") {
    const test::Namespaces namespaces;
    if (!namespaces.missing().empty()) {
        WARN("not run: " << namespaces.missing());
        return;
    }
    const Listeners listeners(namespaces);
    Count table;
    for (const auto* text : kTable) {
        REQUIRE(namespaces.loadRules(text).empty());
        compare(namespaces, text, table);
    }
    CHECK(table.reach > 60);
    CHECK(table.block > 30);

    constexpr unsigned seed = 20231;
    constexpr int ruleset_count = 60;
    std::mt19937 random(seed);
    Count generated;
    for (int i = 0; i < ruleset_count; ++i) {
        const auto text = randomRules(random);
        // nft refuses some combinations (an IPv4 and an IPv6 source in one rule).
        if (namespaces.loadRules(text).empty()) {
            compare(namespaces, text, generated);
        }
    }
    CHECK(generated.rulesets > ruleset_count / 3);
    // Of constructs that are all known nothing may stay open.
    CHECK(generated.may == 0);
    CHECK(generated.reach > 50);
    CHECK(generated.block > 50);
}
