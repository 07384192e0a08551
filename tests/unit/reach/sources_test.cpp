#include <fstream>
#include <sstream>

#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"

using namespace lapwing::reach;

namespace {

Ruleset ruleset(const std::string& name) {
    std::ifstream file(std::string(LAPWING_FIXTURES) + "/firewall/" + name);
    std::stringstream text;
    text << file.rdbuf();
    auto parsed = Ruleset::parse(text.str());
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
    for (const auto& range : sources->reach) {
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
        const auto parts = rules.parts(Family::ipv4);
        REQUIRE(parts);
        for (const auto& part : *parts) {
            if (part.contains(stranger)) {
                CHECK(part.low != part.high);
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

TEST_CASE("a ruleset that names very many addresses is not split") {
    std::string json = R"({"nftables":[{"rule":{"family":"inet","table":"t","chain":"i","expr":[
        {"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"set":[)";
    for (int i = 0; i < 3000; ++i) {
        json += (i == 0 ? "\"" : ",\"") +
                Address{Family::ipv4, keyOf(167772160ULL + 2ULL * static_cast<unsigned>(i))}.toString() +
                "\"";
    }
    json += "]}}},{\"accept\":null}]}}]}";
    const auto rules = Ruleset::parse(json);
    REQUIRE(rules);
    REQUIRE_FALSE(rules->parts(Family::ipv4));
    CHECK(rules->parts(Family::ipv4).error().kind == lapwing::ErrorKind::exhausted);
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
    CHECK(first->reach == std::vector{AddressRange::of(*Address::parse("10.77.0.12"))});
    CHECK(first->reach == second->reach);
    packet.port = 22;
    CHECK(rules.sources(packet)->reach == std::vector{AddressRange::all(Family::ipv4)});
    packet.port = 3306;
    rules.addUnknown("a legacy table could not be read");
    CHECK(rules.sources(packet)->reach.empty());
    CHECK(rules.sources(packet)->may == first->reach);
}
