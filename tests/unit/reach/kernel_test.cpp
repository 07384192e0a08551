// The evaluator against the kernel: what it says must happen, happens.
#include <cstdint>
#include <tuple>

#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/against_kernel.h"

using namespace lapwing;

namespace {

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
    R"(table inet f { chain i { type filter hook input priority -300; policy accept; ct state new tcp dport 22 drop; ct state invalid tcp dport 8080 drop; }; })",
    R"(table netdev f { chain i { type filter hook ingress device "veth-s" priority 0; policy accept; tcp dport 22 drop; }; })",
    R"(table netdev f { chain i { type filter hook ingress device "veth-i" priority 0; policy accept; tcp dport 22 drop; }; })",
    R"(table netdev f { chain e { type filter hook egress device "veth-s" priority 0; policy accept; tcp sport 3306 drop; }; })",
    R"(table ip n { chain p { type nat hook prerouting priority 0; tcp dport 22 redirect to :3306; }; }
table inet f { chain p { type filter hook prerouting priority -50; policy accept; tcp dport 22 drop; }; chain i { type filter hook input priority 0; policy accept; ip saddr 10.213.7.3 tcp dport 3306 drop; ct status dnat ip saddr 10.213.7.2 accept; tcp dport 22 drop; }; })",
    R"(table ip n { chain p { type nat hook prerouting priority dstnat; tcp dport 22 dnat to 10.213.8.2; ip saddr 10.213.7.3 tcp dport 3306 dnat to 10.213.8.2:8080; }; }
table inet f { chain i { type filter hook input priority 0; policy drop; }; chain w { type filter hook forward priority 0; policy drop; ct state established accept; iifname "veth-s" oifname "veth-i" tcp dport 8080 accept; ip saddr 10.213.7.2 ip daddr 10.213.8.2 tcp dport 22 accept; }; })",
    R"(table inet n { map m { type inet_service : ipv4_addr . inet_service; elements = { 22 : 10.213.8.2 . 3306, 8080 : 10.213.8.2 . 9 }; }; chain p { type nat hook prerouting priority dstnat; dnat ip to tcp dport map @m; ip6 saddr fd13:7::2 tcp dport 22 dnat ip6 to fd13:8::2; }; chain s { type nat hook postrouting priority srcnat; oifname "veth-i" masquerade; }; })",
    R"(table ip n { chain p { type nat hook prerouting priority dstnat; dnat to ip saddr map { 10.213.7.2 : 10.213.8.2 }; }; }
table ip f { chain w { type filter hook forward priority 0; policy accept; ct direction reply ip saddr 10.213.8.2 tcp sport 22 drop; }; })",
    R"(table inet f { chain o { type filter hook output priority 0; policy drop; ct state established accept; oifname lo accept; }; })",
    R"(table inet f { chain p { type nat hook prerouting priority dstnat; tcp dport 22 redirect to :8080; }; chain o { type filter hook output priority raw; notrack; }; })",
    R"(table inet f { chain r { type filter hook prerouting priority raw; notrack; }; chain o { type filter hook output priority 0; policy accept; ct state invalid tcp sport 22 drop; ct state new udp sport 22 drop; ct state new tcp sport 3306 drop; ct state established tcp sport 8080 drop; }; })",
    R"(table inet f { chain r { type filter hook output priority raw; notrack; }; chain i { type filter hook input priority 0; policy accept; ct state invalid tcp dport 22 drop; ct state new tcp flags & (syn|ack) == ack tcp dport 3306 drop; ct state established tcp dport 8080 drop; }; })",
    R"(table inet f { chain i { type filter hook input priority 0; policy accept; ip ttl 64 tcp dport 22 drop; ip ttl < 64 tcp dport 3306 drop; ip6 hoplimit != 64 tcp dport 22 drop; ip6 hoplimit > 63 udp dport 22 drop; }; chain o { type filter hook output priority 0; policy accept; ip ttl 64 tcp sport 8080 drop; ip6 hoplimit != 64 tcp sport 3306 drop; }; })",
    R"(table inet f { chain p { type filter hook prerouting priority 0; ip saddr 10.213.7.2 ip ttl set 7; }; chain i { type filter hook input priority 0; policy accept; ip ttl 7 tcp dport 22 drop; ip ttl 64 tcp dport 3306 drop; }; })",
    R"(table inet f { chain i { type filter hook input priority 0; policy accept; ip ttl set 63 tcp dport 22 drop; tcp dport 3306 ip6 hoplimit set 63 drop; ip dscp set cs1 udp dport 22 drop; tcp option maxseg size set 1200; }; })",
    R"(table inet f { chain i { type filter hook input priority 0; policy accept; ip6 hoplimit set 63 tcp dport 3306 drop; }; })",
    R"(table inet f { chain p { type filter hook prerouting priority -310; policy accept; tcp dport 22 meta mark set ct mark drop; tcp dport 3306 ct mark set 0x1 drop; tcp dport 8080 ct mark set 0x1; }; chain i { type filter hook input priority 0; policy accept; ct mark 0x1 drop; udp dport 22 meta mark set ct mark drop; }; })",
    R"(table ip n { chain p { type nat hook prerouting priority dstnat; dnat to 10.213.8.2; }; }
table inet f { chain w { type filter hook forward priority 0; policy accept; ip ttl 64 tcp dport 22 drop; ip ttl 63 udp dport 22 drop; ip ttl 63 tcp sport 3306 drop; }; })",
    R"(table inet f { chain i { type filter hook input priority 0; policy accept; meta nfproto ipv6 tcp dport 22 reject with tcp reset; meta nfproto ipv4 udp dport 22 drop; meta nfproto ipv4 tcp dport 3306 reject with tcp reset; ip saddr 10.213.7.3 tcp dport 8080 reject with tcp reset; }; })",
    R"(table inet f { chain i { type filter hook input priority 0; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; tcp dport 22 limit rate 1/minute burst 2 packets accept; tcp dport 8080 limit rate 1000/second accept; ct state established tcp dport 3306 accept; ct state new tcp dport 3306 accept; }; })",
    R"(table inet f { limit l { rate over 1000/second burst 1000 packets; }; quota q { over 100 mbytes; }; limit b { rate 10 mbytes/second; }; chain i { type filter hook input priority 0; policy accept; tcp dport 22 limit name l drop; udp dport 22 quota name "q" drop; tcp dport 3306 limit name b accept; tcp dport 3306 drop; }; })",
};

}  // namespace

TEST_CASE("certain verdicts never contradict the kernel: each construct by itself", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    const test::Listeners listeners(namespaces);
    test::Count count;
    for (const auto* text : kTable) {
        INFO(text);
        REQUIRE(namespaces.loadRules(text).empty());
        namespaces.forgetNeighbours();
        test::compareWithKernel(namespaces, test::listingIn(namespaces), count);
        for (const auto& contradiction : count.contradictions) {
            FAIL_CHECK(contradiction);
        }
        count.contradictions.clear();
    }
    CHECK(count.reach > 60);
    CHECK(count.block > 30);
}

TEST_CASE("facts that nft does not list are read from the kernel", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    REQUIRE(namespaces.loadRules(
                "table netdev n { chain e { type filter hook ingress devices = { veth-i, lo } priority 0; "
                "tcp dport 3306 drop; }; }\n"
                "table inet f { chain i { type filter hook input priority 0; policy accept; "
                "meta nfproto ipv6 tcp dport 22 reject with tcp reset; "
                "tcp dport 8080 reject with tcp reset; }; }") == "");
    const auto rules = reach::Ruleset::parse(test::listingIn(namespaces));
    REQUIRE(rules);
    const auto verdict = [&](const char* source, const char* destination, std::uint16_t port) {
        reach::Packet packet;
        packet.source = reach::AddressRange::of(*reach::Address::parse(source));
        packet.destination = *reach::Address::parse(destination);
        packet.port = port;
        packet.interface = "veth-s";
        return rules->evaluate(packet).verdict;
    };
    using enum reach::Verdict;
    for (const auto& [source, destination, of_reset] : {std::tuple{"10.213.7.2", "10.213.7.1", must_reach},
                                                        std::tuple{"fd13:7::2", "fd13:7::1", must_block}}) {
        CHECK(verdict(source, destination, 22) == of_reset);
        CHECK(verdict(source, destination, 8080) == must_block);
        CHECK(verdict(source, destination, 3306) == must_reach);  // the chain is at other devices
    }
}
