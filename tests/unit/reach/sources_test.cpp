#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/reach/compact.h"
#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

using namespace lapwing::reach;

namespace {

Ruleset ruleset(const std::string& name) {
    auto parsed = Ruleset::parse(lapwing::test::fixture("firewall/" + name));
    REQUIRE(parsed);
    return std::move(*parsed);
}

std::vector<std::string> reaching(const Ruleset& rules, std::uint16_t port,
                                  const char* destination = "10.77.0.11") {
    Packet packet;
    packet.destination = *Address::parse(destination);
    packet.source = AddressRange::all(packet.destination.family);
    packet.port = port;
    packet.interface = "eth0";
    const auto sources = rules.sources(packet);
    REQUIRE(sources);
    std::vector<std::string> out;
    for (const auto& range : (*sources)->reach) {
        out.push_back(range.toString());
    }
    return out;
}

}  // namespace

TEST_CASE("from whom a port is reachable, exactly") {
    CHECK(reaching(ruleset("none.json"), 3306) == std::vector<std::string>{"0.0.0.0/0"});
    const auto plain = ruleset("plain.json");
    CHECK(reaching(plain, 3306) == std::vector<std::string>{"10.77.0.12"});
    CHECK(reaching(plain, 22) == std::vector<std::string>{"0.0.0.0/0"});
    CHECK(reaching(plain, 22, "fd77::11") == std::vector<std::string>{"::/0"});
    CHECK(reaching(plain, 5000).empty());
    CHECK(reaching(ruleset("sets.json"), 22) ==
          std::vector<std::string>{"10.0.0.0/8", "192.168.1.5", "192.168.2.10-192.168.2.20"});
}

TEST_CASE("a stranger is an address that no rule names") {
    for (const auto* name : {"none.json", "plain.json", "sets.json", "constructs.json"}) {
        const auto rules = ruleset(name);
        const auto stranger = rules.stranger(Family::ipv4);
        Packet packet;
        packet.destination = *Address::parse("10.77.0.11");
        packet.port = 22;
        packet.interface = "eth0";
        const auto classes = rules.classes(packet, AddressRange::all(Family::ipv4));
        REQUIRE(classes);
        for (const auto& each : *classes) {
            for (const auto& part : each.from) {
                if (part.contains(stranger)) {
                    CHECK(part.low != part.high);
                }
            }
        }
        CHECK(rules.stranger(Family::ipv6).family == Family::ipv6);
    }
}

TEST_CASE("an unused port is named nowhere") {
    const auto rules = ruleset("plain.json");
    const auto port = rules.unusedPort({});
    CHECK(port != 22);
    CHECK(port != 80);
    CHECK(rules.unusedPort({port}) != port);
}

TEST_CASE("a ruleset may name very many addresses") {
    constexpr unsigned count = 20000;
    std::string json = R"({"nftables":[{"chain":{"family":"inet","table":"t","name":"i","type":"filter",
        "hook":"input","prio":0,"policy":"drop"}},{"rule":{"family":"inet","table":"t","chain":"i","expr":[
        {"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"set":[)";
    for (unsigned i = 0; i < count; ++i) {
        json +=
            (i == 0 ? "\"" : ",\"") + Address{Family::ipv4, keyOf(167772160ULL + 2ULL * i)}.toString() + "\"";
    }
    json += "]}}},{\"accept\":null}]}}]}";
    const auto rules = Ruleset::parse(json);
    REQUIRE(rules);
    CHECK(reaching(*rules, 22).size() == count);
    CHECK(reaching(*rules, 22)[1] == "10.0.0.2");
}

namespace {

/// An INPUT chain with these rules, in the form of legacy iptables.
Ruleset legacy(const std::string& rules) {
    auto parsed = Ruleset::parse(listingOf(
        R"({"nftables":[]})",
        {{Family::ipv4, true, "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rules + "COMMIT\n"}},
        {}, Host{}));
    REQUIRE(parsed);
    return std::move(*parsed);
}

/// Each source by itself has the verdict of its class.
void checkClasses(const Ruleset& rules, std::uint16_t port) {
    Packet packet;
    packet.destination = *Address::parse("10.77.0.11");
    packet.source = AddressRange::all(Family::ipv4);
    packet.port = port;
    packet.interface = "eth0";
    const auto sources = rules.sources(packet);
    REQUIRE(sources);
    for (unsigned i = 0; i < 64; ++i) {
        const Address source{Family::ipv4, keyOf(167772160ULL + i)};
        packet.source = AddressRange::of(source);
        const auto in = [&](const std::vector<AddressRange>& ranges) {
            return std::any_of(ranges.begin(), ranges.end(),
                               [&](const auto& each) { return each.contains(source); });
        };
        const auto expected = in((*sources)->reach) ? Verdict::must_reach
                              : in((*sources)->may) ? Verdict::may
                                                    : Verdict::must_block;
        INFO(source.toString());
        CHECK(std::string(verdictName(rules.evaluate(packet).verdict)) == verdictName(expected));
    }
}

}  // namespace

TEST_CASE("ten thousand rules of single addresses are few classes of sources") {
    std::string rules;
    for (unsigned i = 0; i < 10000; ++i) {
        const auto source = Address{Family::ipv4, keyOf(167772160ULL + 3ULL * i)}.toString();
        rules += "-A INPUT -s " + source + "/32 -j " + "DROP\n";
    }
    const auto whole = legacy(rules);
    checkClasses(whole, 22);
    CHECK(reaching(whole, 22).size() == 10001);
}

TEST_CASE("rules that cannot match the packet tell no sources apart") {
    std::string rules;
    for (unsigned i = 0; i < 6000; ++i) {
        const auto source = Address{Family::ipv4, keyOf(167772160ULL + 2ULL * i)}.toString();
        rules += "-A INPUT -s " + source + "/32 -p tcp -m tcp --dport " + std::to_string(1000 + i) + " -j " +
                 (i % 2 == 0 ? "DROP\n" : "ACCEPT\n");
    }
    const auto whole = legacy(rules);
    CHECK(reaching(whole, 22) == std::vector<std::string>{"0.0.0.0/0"});
    CHECK(reaching(whole, 1002) == std::vector<std::string>{"0.0.0.0-10.0.0.3", "10.0.0.5-255.255.255.255"});
}

TEST_CASE("where the rules tell too many kinds of sources apart, the error says how many") {
    std::string rules;
    for (unsigned i = 0; i < 5000; ++i) {
        const auto source = Address{Family::ipv4, keyOf(167772160ULL + 2ULL * i)}.toString();
        rules += "-A INPUT -s " + source + "/32 -j " + (i % 2 == 0 ? "DROP\n" : "ACCEPT\n");
    }
    Packet packet;
    packet.destination = *Address::parse("10.77.0.11");
    packet.port = 22;
    packet.interface = "eth0";
    const auto sources = legacy(rules).sources(packet);
    REQUIRE_FALSE(sources);
    CHECK(sources.error().kind == lapwing::ErrorKind::exhausted);
    CHECK(sources.error().message.find("4096") != std::string::npos);
}

TEST_CASE("each source has the verdict of its class") {
    const char* const rules[] = {"-s 10.0.0.0/28 -j ACCEPT",
                                 "-s 10.0.0.8/29 -j DROP",
                                 "-s 10.0.0.3/255.0.0.255 -j DROP",
                                 "! -s 10.0.0.0/27 -p tcp -j DROP",
                                 "-m iprange --src-range 10.0.0.5-10.0.0.20 -j RETURN",
                                 "-s 10.0.0.32/27 -m recent --rcheck --name x --rsource -j DROP",
                                 "-p tcp -m tcp --dport 23 -j DROP",
                                 "-s 10.0.0.17/32 -j DROP",
                                 "-s 10.0.0.18/32 -j DROP",
                                 "-s 10.0.0.19/32 -j DROP",
                                 "-d 10.0.0.40/29 -j DROP"};
    unsigned seed = 7;
    for (int round = 0; round < 60; ++round) {
        std::string text;
        for (int i = 0; i < 5; ++i) {
            seed = seed * 1103515245U + 12345U;
            text += std::string("-A ") + (round % 3 == 2 ? "OUTPUT " : "INPUT ") +
                    rules[(seed >> 16U) % std::size(rules)] + "\n";
        }
        INFO(text);
        checkClasses(legacy(text), 22);
    }
}

TEST_CASE("what was found once is found again, until something is added") {
    auto rules = ruleset("plain.json");
    Packet packet;
    packet.source = AddressRange::all(Family::ipv4);
    packet.destination = *Address::parse("10.77.0.11");
    packet.port = 3306;
    packet.interface = "eth9";
    const auto first = rules.sources(packet);
    const auto second = rules.sources(packet);
    REQUIRE(first);
    REQUIRE(second);
    CHECK((*first)->reach == std::vector{AddressRange::of(*Address::parse("10.77.0.12"))});
    CHECK((*first)->reach == (*second)->reach);
    packet.port = 22;
    CHECK((*rules.sources(packet))->reach == std::vector{AddressRange::all(Family::ipv4)});
    packet.port = 3306;
    rules.addUnknown("a legacy table could not be read");
    CHECK((*rules.sources(packet))->reach.empty());
    CHECK((*rules.sources(packet))->may == (*first)->reach);
}

TEST_CASE("large sets and sets with timeouts have a short form that means the same") {
    std::string elements;
    for (unsigned i = 0; i < 200; ++i) {
        elements += i == 0 ? "" : ",";
        const auto address = Address{Family::ipv4, keyOf(167772160ULL + 2ULL * i)}.toString();
        elements += i % 2 == 0 ? "\"" + address + "\""
                               : R"({"elem":{"val":")" + address + R"(","timeout":60,"expires":)" +
                                     std::to_string(i % 60) + "}}";
    }
    elements += R"(,{"prefix":{"addr":"192.0.2.0","len":24}},{"range":["198.51.100.1","198.51.100.9"]})";
    const auto with = [&](const std::string& list) {
        return R"({"nftables":[{"chain":{"family":"ip","table":"t","name":"i","type":"filter","hook":"input","prio":0,)"
               R"("policy":"accept"}},{"set":{"family":"ip","table":"t","name":"s","type":"ipv4_addr","elem":[)" +
               list +
               R"(]}},{"rule":{"family":"ip","table":"t","chain":"i","handle":1,"expr":[{"match":{"op":"==","left":)"
               R"({"payload":{"protocol":"ip","field":"saddr"}},"right":"@s"}},{"drop":null}]}}]})";
    };
    const auto shorter = compactSets(with(elements));
    CHECK(shorter.size() < with(elements).size());
    CHECK(shorter.find("expires") == std::string::npos);
    const auto rules = Ruleset::parse(with(elements));
    const auto same = Ruleset::parse(shorter);
    REQUIRE(rules);
    REQUIRE(same);
    Packet packet;
    packet.destination = *Address::parse("10.77.0.11");
    packet.source = AddressRange::all(Family::ipv4);
    packet.port = 22;
    packet.interface = "eth0";
    REQUIRE(rules->sources(packet));
    CHECK(**rules->sources(packet) == **same->sources(packet));
    CHECK_FALSE((*same->sources(packet))->may.empty());
    CHECK(compactSets(shorter) == shorter);
    CHECK(compactSets("not JSON") == "not JSON");
    // An element with more than an address stays as it is.
    const auto limited = with(elements + R"(,{"elem":{"val":"10.9.9.9","limit":{"rate":1,"per":"second"}}})");
    const auto kept = Ruleset::parse(compactSets(limited));
    REQUIRE(kept);
    CHECK(compactSets(limited).find("\"limit\"") != std::string::npos);
    CHECK(**kept->sources(packet) == **Ruleset::parse(limited)->sources(packet));
}
