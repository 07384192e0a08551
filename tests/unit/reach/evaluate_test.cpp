#include <fstream>
#include <functional>
#include <sstream>

#include "common/reach/ruleset.h"
#include "common/reach/unlisted.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::reach;

namespace {

Ruleset ruleset(const std::string& name) {
    auto parsed = Ruleset::parse(test::fixture("firewall/" + name));
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

Network::Rule mainTable(Family family) {
    Network::Rule rule;
    rule.family = family;
    rule.priority = 32766;
    rule.table = 254;
    return rule;
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

TEST_CASE("a bridge's table filters nothing that does not come by a bridge") {
    auto rules = ruleset("bridge.json");
    // Without a description of the host, the interface may be a bridge.
    CHECK(verdict(rules, "8.8.8.8", 4000) == Verdict::may);
    Host host{{{"eth9", *Address::parse("10.77.0.11"), 24}}, false, false};
    host.network = Network{};
    host.network->routes = {{254, *AddressRange::parse("0.0.0.0/0"), RouteType::unicast, "eth9", {}, 0}};
    host.network->rules = {mainTable(Family::ipv4)};
    host.network->links = {{"eth9", "", "", "", true, false, false},
                           {"br0", "bridge", "", "", true, false, false}};
    rules.describeHost(host);
    CHECK(verdict(rules, "8.8.8.8", 4000) == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 4000, "br0") == Verdict::may);
    host.network->links[0].xdp = true;
    rules.describeHost(host);
    CHECK(verdict(rules, "8.8.8.8", 4000) == Verdict::may);
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

namespace {

/// 10.77.0.11 on eth9, with a default route; the answers to 10.66.0.0/16 leave by eth8.
Ruleset routed(const std::string& rules, const std::function<void(Network&)>& change = {}) {
    auto parsed = Ruleset::parse("{\"nftables\":[" + rules + "]}");
    REQUIRE(parsed);
    Host host{{{"eth9", *Address::parse("10.77.0.11"), 24},
               {"eth9", *Address::parse("fd77::11"), 64},
               {"eth8", *Address::parse("10.66.0.11"), 16}},
              false,
              false};
    Network network;
    network.routes = {
        {254, *AddressRange::parse("0.0.0.0/0"), RouteType::unicast, "eth9", Address::parse("10.77.0.1"), 0},
        {254, *AddressRange::parse("10.77.0.0/24"), RouteType::unicast, "eth9", {}, 0},
        {254, *AddressRange::parse("10.66.0.0/16"), RouteType::unicast, "eth8", {}, 0},
        {254, *AddressRange::parse("fd77::/64"), RouteType::unicast, "eth9", {}, 256}};
    network.rules = {mainTable(Family::ipv4), mainTable(Family::ipv6)};
    network.links = {{"eth9", "", "", "", true, false, false}, {"eth8", "", "", "", true, false, false}};
    if (change) {
        change(network);
    }
    host.network = network;
    parsed->describeHost(host);
    return std::move(*parsed);
}

std::string inputChain(const char* policy, const std::string& expressions) {
    std::string out =
        R"({"chain":{"family":"inet","table":"f","name":"i","type":"filter","hook":"input","prio":0,"policy":")" +
        std::string(policy) + "\"}}";
    return out + (expressions.empty()
                      ? ""
                      : R"(,{"rule":{"family":"inet","table":"f","chain":"i","handle":5,"expr":[)" +
                            expressions + "]}}");
}

const char* const kEstablished =
    R"({"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","new"]}},{"accept":null})";
const char* const kNew =
    R"({"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"new"}},{"accept":null})";

}  // namespace

TEST_CASE("the packet that fails is named") {
    const auto rules = routed(inputChain("drop", kNew));
    const auto result = rules.evaluate(packet("10.77.0.5", 22));
    CHECK(result.verdict == Verdict::must_block);
    CHECK(result.failing_packet == PacketKind::ack);
    CHECK_FALSE(result.rejected);
    CHECK(result.decided_by == std::vector<std::string>{"inet f i policy drop"});
}

TEST_CASE("a statement that is not understood may do anything to what passes it") {
    for (const auto* statement :
         {R"("jump {\n\t\tip saddr 10.62.0.2 accept\n\t\tdrop\n\t}")", R"({"newword":{"x":1}})", "3", "null",
          R"({"mangle":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"value":22}})",
          R"({"queue":{"num":0}})", R"({"synproxy":null})", R"({"jump":{"target":"nowhere"}})"}) {
        INFO(statement);
        CHECK(verdict(routed(inputChain("accept", statement)), "10.77.0.5", 22) == Verdict::may);
        CHECK(verdict(routed(inputChain("drop", statement)), "10.77.0.5", 22) == Verdict::may);
        const auto guarded =
            R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":23}},)" +
            std::string(statement);
        CHECK(verdict(routed(inputChain("accept", guarded)), "10.77.0.5", 22) == Verdict::must_reach);
    }
}

TEST_CASE("an answer needs a route, and a source the reverse path filter's consent") {
    const auto rules = routed("");
    CHECK(verdict(rules, "10.77.0.5", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "2001:db8::1", 22) == Verdict::must_block);  // IPv6 has no default route
    CHECK(verdict(rules, "10.66.0.5", 22) == Verdict::may);           // the answer leaves by eth8
    const auto strict = routed("", [](Network& network) { network.rp_filter = {{"eth9", 1}, {"eth8", 1}}; });
    CHECK(strict.evaluate(packet("10.66.0.5", 22)).decided_by ==
          std::vector<std::string>{"rp_filter of eth9: the source is not routed back by that interface"});
    CHECK(verdict(strict, "8.8.8.8", 22) == Verdict::must_reach);
    const auto banned = routed("", [](Network& network) {
        network.routes.push_back({254, *AddressRange::parse("8.8.0.0/16"), RouteType::blackhole, "", {}, 0});
    });
    CHECK(banned.evaluate(packet("8.8.8.8", 22)).decided_by ==
          std::vector<std::string>{"the route to 8.8.0.0/16 is of the type blackhole"});
    CHECK(banned.evaluate(packet("8.8.8.8", 22)).failing_packet == PacketKind::syn_ack);
    const auto ruled = routed("", [](Network& network) {
        auto rule = mainTable(Family::ipv4);
        rule.priority = 100;
        rule.to = AddressRange::parse("8.8.8.0/24");
        rule.type = RouteType::prohibit;
        network.rules.insert(network.rules.begin(), rule);
        rule.to.reset();
        rule.mark = 9;
        network.rules.insert(network.rules.begin(), rule);
    });
    CHECK(verdict(ruled, "8.8.8.8", 22) == Verdict::must_block);
    CHECK(verdict(ruled, "8.8.9.8", 22) == Verdict::must_reach);
}

TEST_CASE("without neighbour discovery nothing comes over IPv6") {
    auto dropped = packet("fd77::5", 22);
    const auto rules = routed(inputChain(
        "drop",
        R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null})"));
    const auto result = rules.evaluate(dropped);
    CHECK(result.verdict == Verdict::must_block);
    CHECK(result.failing_packet == PacketKind::solicitation);
    CHECK(verdict(rules, "10.77.0.5", 22) == Verdict::must_reach);
    // A permanent entry here may have a counterpart there.
    const auto permanent = routed(
        inputChain(
            "drop",
            R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null})"),
        [](Network& network) {
            network.neighbours = {{"eth9", *Address::parse("fd77::5")}};
        });
    CHECK(permanent.evaluate(dropped).verdict == Verdict::may);
    // A tunnel needs no hardware addresses.
    const auto tunnel = routed(
        inputChain(
            "drop",
            R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null})"),
        [](Network& network) { network.links[0].resolves = false; });
    CHECK(tunnel.evaluate(dropped).verdict == Verdict::must_reach);
}

TEST_CASE("without an interface, every interface by which the packet may come counts") {
    const auto rules = routed(inputChain(
        "accept", R"({"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth8"}},{"drop":null})"));
    CHECK(verdict(rules, "8.8.8.8", 22, "eth9") == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 22, "eth8") == Verdict::must_block);
    CHECK(verdict(rules, "8.8.8.8", 22, "") == Verdict::may);
    const auto everywhere = routed(inputChain("accept", kEstablished), [](Network& network) {
        network.rp_filter = {{"eth9", 1}, {"eth8", 1}};
    });
    // The reverse path filter of eth8 lets no such source in.
    CHECK(verdict(everywhere, "8.8.8.8", 22, "") == Verdict::must_reach);
}

TEST_CASE("a host's description survives its JSON") {
    Host host{{{"eth9", *Address::parse("10.77.0.11"), 24}}, true, {}};
    auto& network = host.network.emplace();
    network.routes = {
        {254, *AddressRange::parse("10.0.0.0/8"), RouteType::unicast, "eth9", Address::parse("10.77.0.1"), 7},
        {52, *AddressRange::parse("fd00::/8"), RouteType::throw_, "", {}, 0}};
    auto rule = mainTable(Family::ipv6);
    rule.from = AddressRange::parse("fd77::/64");
    rule.mark = 1;
    rule.mask = 0xff;
    rule.inverted = true;
    rule.suppressed = 0;
    network.rules = {rule};
    network.links = {{"br0", "bridge", "", "eth9", false, true, true}};
    network.neighbours = {{"eth9", *Address::parse("fd77::5")}};
    network.rp_filter = {{"eth9", 2}};
    CHECK(hostFromJson(toJson(host)) == host);
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

TEST_CASE("facts that nft does not list come from the kernel") {
    const std::string listing = R"({"nftables":[
        {"chain":{"family":"inet","table":"t","name":"c","type":"filter","hook":"input","prio":0,"policy":"accept"}},
        {"rule":{"family":"inet","table":"t","chain":"c","handle":3,"expr":[
        {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},
        {"reject":{"type":"tcp reset"}}]}},
        {"chain":{"family":"netdev","table":"n","name":"e","type":"filter","hook":"ingress","prio":0,"policy":"accept"}},
        {"rule":{"family":"netdev","table":"n","chain":"e","handle":4,"expr":[
        {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":23}},{"drop":null}]}}]})";
    const auto verdicts = [&](const Unlisted& facts) {
        const auto rules = Ruleset::parse(addUnlisted(listing, facts));
        REQUIRE(rules);
        return std::vector<Verdict>{verdict(*rules, "8.8.8.8", 22), verdict(*rules, "2001:db8::1", 22),
                                    verdict(*rules, "8.8.8.8", 23)};
    };
    using enum Verdict;
    const Unlisted::ChainName input{"inet", "t", "c"};
    const Unlisted::ChainName ingress{"netdev", "n", "e"};
    CHECK(mayLackFacts(listing));
    CHECK_FALSE(mayLackFacts(test::fixture("firewall/none.json")));
    CHECK(verdicts({}) == std::vector{may, may, may});
    CHECK(verdicts({{{ingress, {"eth9"}}}, {{{input, 3}, {}}}}) ==
          std::vector{must_block, must_block, must_block});
    CHECK(verdicts({{{ingress, {"eth8", "eth7"}}}, {{{input, 3}, {"ipv6"}}}}) ==
          std::vector{must_reach, must_block, must_reach});
    CHECK(verdicts({{}, {{{input, 4}, {"ipv6"}}}}) == std::vector{may, may, may});
    CHECK(addUnlisted("not JSON", {{{ingress, {"eth9"}}}, {}}) == "not JSON");
}

TEST_CASE("a slow rate limit is certain for as many packets as it lets pass at once") {
    const auto with = [](const std::string& matches, const std::string& objects = "") {
        const auto rules = Ruleset::parse(
            R"({"nftables":[)" + objects +
            R"({"chain":{"family":"inet","table":"t","name":"c","type":"filter","hook":"input","prio":0,"policy":"drop"}},)"
            R"({"rule":{"family":"inet","table":"t","chain":"c","handle":3,"expr":[)" +
            matches + R"({"accept":null}]}}]})");
        REQUIRE(rules);
        return verdict(*rules, "8.8.8.8", 22);
    };
    const auto limit = [&](int rate, const std::string& per, int burst) {
        return R"({"limit":{"rate":)" + std::to_string(rate) + R"(,"per":")" + per + R"(","burst":)" +
               std::to_string(burst) + "}},";
    };
    // SYN, ACK, data and the acknowledgement of data.
    CHECK(with(limit(1, "minute", 10)) == Verdict::must_reach);
    CHECK(with(limit(1, "minute", 2)) == Verdict::may);
    CHECK(with(limit(1, "second", 2)) == Verdict::must_reach);
    CHECK(with(limit(100, "minute", 2)) == Verdict::must_reach);
    const std::string fresh =
        R"({"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"new"}},)" + limit(1, "hour", 1);
    CHECK(with(fresh) == Verdict::must_block);  // no rule accepts the later packets
    const std::string object =
        R"({"limit":{"family":"inet","table":"t","name":"l","handle":1,"rate":1,"per":"day","burst":)";
    CHECK(with(R"({"limit":"l"},)", object + "9}},") == Verdict::must_reach);
    CHECK(with(R"({"limit":"l"},)", object + "1}},") == Verdict::may);
    CHECK(with(R"({"limit":"other"},)", object + "9}},") == Verdict::may);
    CHECK(with(R"({"quota":"q"},)",
               R"({"quota":{"family":"inet","table":"t","name":"q","bytes":9,"used":0,"inv":true}},)") ==
          Verdict::must_block);
}
