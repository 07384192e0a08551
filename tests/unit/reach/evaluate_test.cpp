#include <fstream>
#include <sstream>

#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::reach;

namespace {

std::string fixture(const std::string& name) {
    std::ifstream file(std::string(LAPWING_FIXTURES) + "/firewall/" + name);
    std::stringstream text;
    text << file.rdbuf();
    REQUIRE_FALSE(text.str().empty());
    return text.str();
}

Ruleset ruleset(const std::string& name) {
    auto parsed = Ruleset::parse(fixture(name));
    REQUIRE(parsed);
    return std::move(*parsed);
}

Packet packet(const char* source, std::uint16_t port, const char* interface = "eth9") {
    Packet out;
    out.source = AddressRange::of(*Address::parse(source));
    out.destination = *Address::parse(out.source.family == Family::ipv4 ? "10.77.0.11" : "fd77::11");
    out.port = port;
    out.interface = interface;
    return out;
}

Verdict verdict(const Ruleset& rules, const char* source, std::uint16_t port,
                const char* interface = "eth9") {
    return rules.evaluate(packet(source, port, interface)).verdict;
}

}  // namespace

TEST_CASE("a host without rules lets everything in") {
    const auto rules = ruleset("none.json");
    const auto result = rules.evaluate(packet("8.8.8.8", 4000));
    CHECK(result.verdict == Verdict::must_reach);
    CHECK(result.decided_by == std::vector<std::string>{"no chain at the input hook"});
    CHECK(verdict(rules, "2001:db8::1", 4000) == Verdict::must_reach);
    CHECK_FALSE(rules.filtersInput(Family::ipv4));
}

TEST_CASE("a server's plain ruleset") {
    const auto rules = ruleset("plain.json");
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::must_block);
    CHECK(verdict(rules, "10.77.0.10", 80) == Verdict::must_reach);
    CHECK(verdict(rules, "10.77.0.12", 3306) == Verdict::must_reach);
    CHECK(verdict(rules, "10.77.0.13", 3306) == Verdict::must_block);
    CHECK(verdict(rules, "fd77::12", 3306) == Verdict::must_block);
    const auto blocked = rules.evaluate(packet("8.8.8.8", 40000));
    CHECK(blocked.verdict == Verdict::must_block);
    CHECK_FALSE(blocked.rejected);
    CHECK(blocked.decided_by == std::vector<std::string>{"inet filter input policy drop"});
    CHECK(rules.filtersInput(Family::ipv6));
}

TEST_CASE("an accept in one base chain does not undo a drop in a later one") {
    const auto rules = ruleset("two_chains.json");
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_block);
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::must_reach);
}

TEST_CASE("a drop policy behind an accept of everything drops nothing") {
    const auto rules = ruleset("policy_drop_first_accept.json");
    CHECK(verdict(rules, "8.8.8.8", 4000) == Verdict::must_reach);
}

TEST_CASE("rules for IPv4 alone leave IPv6 open") {
    const auto rules = ruleset("ip_only.json");
    CHECK(verdict(rules, "8.8.8.8", 4000) == Verdict::must_block);
    CHECK(verdict(rules, "2001:db8::1", 4000) == Verdict::must_reach);
}

TEST_CASE("a bridge's table filters nothing that is routed here") {
    CHECK(verdict(ruleset("bridge.json"), "8.8.8.8", 4000) == Verdict::must_reach);
}

TEST_CASE("what iptables-nft hides is unknown") {
    const auto rules = ruleset("xt.json");
    const auto ssh = rules.evaluate(packet("8.8.8.8", 22));
    CHECK(ssh.verdict == Verdict::may);
    CHECK(ssh.unknowns == std::vector<std::string>{
                              "ip filter INPUT handle 2: xt match recent (its arguments are not listed)",
                              "ip filter INPUT handle 3: xt match conntrack (its arguments are not listed)",
                              "ip filter INPUT handle 4: xt match multiport (its arguments are not listed)"});
    // A masked source with a gap, decided by a rule that is understood, before a policy that drops.
    CHECK(verdict(rules, "2001:db8::1", 22) == Verdict::must_reach);
}

TEST_CASE("a dormant table may or may not filter") {
    const auto result = ruleset("dormant.json").evaluate(packet("8.8.8.8", 4000));
    CHECK(result.verdict == Verdict::may);
    CHECK(result.unknowns == std::vector<std::string>{"inet d i: its table may be dormant"});
}

TEST_CASE("address translation leaves the verdict open") {
    const auto rules = ruleset("dnat.json");
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::may);
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_block);
}

TEST_CASE("a translation that iptables-nft hides leaves the verdict open") {
    const auto rules = ruleset("xt_dnat.json");
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::may);  // dropped at the input hook, if it gets there
}

TEST_CASE("sets, maps, jumps and returns") {
    const auto rules = ruleset("sets.json");
    CHECK(verdict(rules, "10.1.2.3", 22) == Verdict::must_reach);      // in the named interval set
    CHECK(verdict(rules, "192.168.2.15", 22) == Verdict::must_reach);  // in its range
    CHECK(verdict(rules, "192.168.2.21", 22) == Verdict::must_block);  // just beyond
    CHECK(verdict(rules, "10.2.0.1", 85) == Verdict::must_reach);      // concatenation with an interval
    CHECK(verdict(rules, "10.2.0.1", 91) == Verdict::must_block);
    CHECK(verdict(rules, "8.8.8.8", 8080) == Verdict::must_reach);    // verdict map, accept
    CHECK(verdict(rules, "10.77.0.5", 8081) == Verdict::must_reach);  // verdict map, jump, accept there
    CHECK(verdict(rules, "10.78.0.5", 8081) == Verdict::must_block);  // jump, return, policy
    CHECK(verdict(rules, "8.8.8.8", 8082) == Verdict::must_block);    // goto skips the accept behind it
    CHECK(verdict(rules, "1.2.3.4", 9000) == Verdict::may);           // a timed member: may be gone
    CHECK(verdict(rules, "8.8.8.8", 9000) == Verdict::must_reach);    // a stranger is not a member
    CHECK(verdict(rules, "8.8.8.8", 9100, "eth1") == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 9100, "wg0") == Verdict::must_block);
    CHECK(verdict(rules, "8.8.8.8", 9100, "") == Verdict::may);
    const auto rejected = rules.evaluate(packet("8.8.8.8", 9200));
    CHECK(rejected.verdict == Verdict::must_block);
    CHECK_FALSE(
        rejected.rejected);  // nft does not list whether the rule is of one family: the policy may drop it
}

TEST_CASE("a rate limit lets a first packet through, and says so") {
    const auto result = ruleset("limit.json").evaluate(packet("8.8.8.8", 22));
    CHECK(result.verdict == Verdict::must_reach);
    CHECK(result.assumptions ==
          std::vector<std::string>{"within its rate limit: inet filter input handle 2"});
}

TEST_CASE("something outside the listing makes reaching uncertain, and diverting makes blocking so too") {
    auto rules = ruleset("plain.json");
    rules.addUnknown("the legacy table ip filter has rules");
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::may);
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::must_block);
    rules.addUnknown("the legacy table ip nat has rules", true);
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::may);
}

TEST_CASE("every construct of a large listing is read, and none is taken for a certainty that it is not") {
    const auto rules = ruleset("constructs.json");
    const auto result = rules.evaluate(packet("8.8.8.8", 12345));
    // Before conntrack has seen it a packet is invalid, which a rule at prerouting drops.
    CHECK(result.decided_by == std::vector<std::string>{"inet filter raw handle 55"});
    CHECK(result.verdict == Verdict::must_block);
}

TEST_CASE("what is no listing is an error") {
    for (const auto* bad : {"", "{", "[]", "{\"nftables\": 3}", "null"}) {
        const auto parsed = Ruleset::parse(bad);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().kind == ErrorKind::invalid);
    }
}

TEST_CASE("a listing of the right form with the wrong types is unknown, not a crash") {
    const auto parsed = Ruleset::parse(
        R"({"nftables":[{"chain":{"family":"inet","table":"t","name":"i","hook":"input","prio":"x"}},
        {"rule":{"family":"inet","table":"t","chain":"i","handle":{},"expr":[{"match":{"op":3,"left":[],"right":{}}},{"drop":null}]}},
        {"rule":{"family":"inet","table":"t","chain":"i","expr":7}},{"rule":3},{"set":{}},7,{"a":1,"b":2}]})");
    REQUIRE(parsed);
    CHECK(parsed->evaluate(packet("8.8.8.8", 1)).verdict == Verdict::may);
}

TEST_CASE("many jumps that go in a circle end") {
    // 20 to the power of 16 ways, were each of them followed.
    std::string jumps;
    for (int i = 0; i < 20; ++i) {
        jumps += R"(,{"rule":{"family":"inet","table":"t","chain":"i","expr":[{"jump":{"target":"i"}}]}})";
    }
    const auto parsed = Ruleset::parse(
        R"({"nftables":[{"chain":{"family":"inet","table":"t","name":"i","hook":"input","prio":0,"policy":"accept"}})" +
        jumps + "]}");
    REQUIRE(parsed);
    CHECK(parsed->evaluate(packet("8.8.8.8", 1)).verdict == Verdict::may);
}

TEST_CASE("jumps that go in a circle end") {
    const auto parsed = Ruleset::parse(R"({"nftables":[
        {"chain":{"family":"inet","table":"t","name":"i","hook":"input","prio":0,"policy":"accept"}},
        {"chain":{"family":"inet","table":"t","name":"a"}},
        {"rule":{"family":"inet","table":"t","chain":"i","handle":1,"expr":[{"jump":{"target":"a"}}]}},
        {"rule":{"family":"inet","table":"t","chain":"a","handle":2,"expr":[{"jump":{"target":"a"}}]}}]})");
    REQUIRE(parsed);
    CHECK(parsed->evaluate(packet("8.8.8.8", 1)).verdict == Verdict::may);
}

TEST_CASE("a member of nft's listing that is not known may do anything") {
    const std::string base = R"({"nftables":[
        {"table":{"family":"inet","name":"t","handle":1 TABLE}},
        {"chain":{"family":"inet","table":"t","name":"c","handle":1,"type":"filter","hook":"input","prio":0,
        "policy":"drop" CHAIN}},
        {"set":{"family":"inet","name":"s","table":"t","type":"inet_service","handle":2,"elem":[22] SET}},
        {"rule":{"family":"inet","table":"t","chain":"c","handle":3,"expr":[
        {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":"@s"}},{"accept":null}] RULE}}
        TOP]})";
    const auto with = [&](const std::string& where, const std::string& further) {
        auto json = base;
        for (const std::string each : {"TABLE", "CHAIN", "SET", "RULE", "TOP"}) {
            json.replace(json.find(each), each.size(), each == where ? further : "");
        }
        auto parsed = Ruleset::parse(json);
        REQUIRE(parsed);
        return std::move(*parsed);
    };
    CHECK(verdict(with("", ""), "8.8.8.8", 22) == Verdict::must_reach);
    CHECK(verdict(with("", ""), "8.8.8.8", 23) == Verdict::must_block);
    for (const auto* where : {"TABLE", "CHAIN", "RULE"}) {
        INFO(where);
        CHECK(verdict(with(where, R"(,"comment":"x")"), "8.8.8.8", 23) == Verdict::must_block);
        const auto rules = with(where, R"(,"unheardof":{})");
        CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::may);
        CHECK(verdict(rules, "8.8.8.8", 23) == Verdict::may);
    }
    CHECK(verdict(with("SET", R"(,"unheardof":{})"), "8.8.8.8", 22) == Verdict::may);
    CHECK(verdict(with("TOP", R"(,{"counter":{"family":"inet","name":"n"}})"), "8.8.8.8", 23) ==
          Verdict::must_block);
    for (const auto* entry : {R"(,{"unheardof":{}})", R"(,{"rule":{},"other":{}})", R"(,7)"}) {
        const auto rules = with("TOP", entry);
        CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::may);
        CHECK(verdict(rules, "8.8.8.8", 23) == Verdict::may);
    }
}
