// What iptables-save prints, and whole snapshots of real firewalls.
#include <fstream>
#include <sstream>

#include "agent/snapshot/snapshot.h"
#include "common/reach/compact.h"
#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::reach;

namespace {

const Host kHost{{{"eth0", *Address::parse("10.77.0.11"), 24},
                  {"eth0", *Address::parse("2001:db8:77::11"), 64},
                  {"docker0", *Address::parse("172.17.0.1"), 16}},
                 true,
                 false};

Ruleset legacy(const std::string& save, const char* nft = R"({"nftables":[]})") {
    auto parsed = Ruleset::parse(listingOf(nft, {{Family::ipv4, true, save}}, {}, kHost));
    REQUIRE(parsed);
    return std::move(*parsed);
}

Result evaluate(const Ruleset& rules, const char* source, std::uint16_t port) {
    Packet packet;
    packet.source = AddressRange::of(*Address::parse(source));
    packet.destination =
        *Address::parse(packet.source.family == Family::ipv4 ? "10.77.0.11" : "2001:db8:77::11");
    packet.port = port;
    packet.interface = "eth0";
    return rules.evaluate(packet);
}

Verdict verdict(const Ruleset& rules, const char* source, std::uint16_t port) {
    return evaluate(rules, source, port).verdict;
}

/// INPUT of a table that accepts, with these rules.
std::string input(const std::string& rules) {
    return "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n" +
           rules + "COMMIT\n";
}

Ruleset real(const std::string& name) {
    const auto snapshot = agent::parseSnapshot(lapwing::test::fixture("firewall/real/" + name + ".json"));
    REQUIRE(snapshot);
    auto ruleset = agent::rulesetOf(*snapshot);
    REQUIRE(ruleset);
    return std::move(*ruleset);
}

}  // namespace

TEST_CASE("a legacy drop beside nftables drops") {
    const auto rules = legacy(input("-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j DROP\n"));
    const auto result = evaluate(rules, "192.0.2.7", 22);
    CHECK(result.verdict == Verdict::must_block);
    CHECK(result.decided_by == std::vector<std::string>{"legacy ip filter INPUT rule 1"});
    CHECK(rules.textOf(result.decided_by[0]) == "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j DROP");
    CHECK(verdict(rules, "192.0.3.7", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "2001:db8::1", 22) == Verdict::must_reach);
    CHECK_FALSE(rules.mixesLegacy());
}

TEST_CASE("what a save's matches mean") {
    struct Row {
        const char* rule;
        const char* source;
        std::uint16_t port;
        Verdict verdict;
    };
    const Row rows[] = {
        {"-p tcp -m multiport --dports 22,8000:8100 -j DROP", "8.8.8.8", 8050, Verdict::must_block},
        {"-p tcp -m multiport --dports 22,8000:8100 -j DROP", "8.8.8.8", 8101, Verdict::must_reach},
        {"-p tcp -m tcp ! --dport 22 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-p tcp -m tcp ! --dport 22 -j DROP", "8.8.8.8", 23, Verdict::must_block},
        {"! -s 10.0.0.0/8 -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-s 10.0.0.5/255.0.0.255 -j DROP", "10.9.9.5", 22, Verdict::may},
        {"-m conntrack --ctstate NEW -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m state --state INVALID -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m addrtype --dst-type LOCAL -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m addrtype --dst-type BROADCAST -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-p icmp -m icmp --icmp-type 8 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-i lo -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-i eth+ -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m iprange --src-range 8.8.8.0-8.8.8.9 -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m comment --comment \"-j ACCEPT \\\" here\" -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m limit --limit 3/min --limit-burst 10 -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-m hashlimit --hashlimit-above 5/min --hashlimit-burst 5 --hashlimit-name x -j DROP", "8.8.8.8", 22,
         Verdict::must_reach},
        {"-m recent --update --seconds 30 --hitcount 6 --name D --rsource -j DROP", "8.8.8.8", 22,
         Verdict::must_reach},
        {"-m recent --rcheck --name D --rsource -j DROP", "8.8.8.8", 22, Verdict::may},
        {"-m set --match-set bad src -j DROP", "8.8.8.8", 22, Verdict::may},
        {"-m socket -j DROP", "8.8.8.8", 22, Verdict::may},
        {"-m mark --mark 0x1 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-p udp -j MARK --set-mark 0x1\n-A INPUT -m mark --mark 0x1 -j DROP", "8.8.8.8", 22,
         Verdict::must_reach},
        {"-p tcp -j mine\n-A INPUT -m mark --mark 0x1 -j DROP\n-A mine -p tcp -m tcp --dport 80 -j CONNMARK "
         "--restore-mark",
         "8.8.8.8", 22, Verdict::must_reach},
        {"-p tcp -j mine\n-A INPUT -m mark --mark 0x1 -j DROP\n-A mine -p tcp -m tcp --dport 22 -j MARK "
         "--set-xmark "
         "0x4000/0x4000",
         "8.8.8.8", 22, Verdict::must_reach},
        {"-j MARK --set-xmark 0x5/0xf\n-A INPUT -m mark --mark 0x5/0xf -j DROP", "8.8.8.8", 22,
         Verdict::must_block},
        {"-j MARK --set-xmark 0x5/0xff\n-A INPUT -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask "
         "0xffffffff\n-A INPUT -m connmark --mark 0x5 -j DROP",
         "8.8.8.8", 22, Verdict::must_block},
        {"-p tcp -m conntrack --ctorigdstport 22 -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-p tcp -m conntrack --ctorigdst 10.77.0.11 -j DROP", "8.8.8.8", 22, Verdict::must_block},
        {"-p tcp -m conntrack --ctorigdst 10.77.0.12 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-m addrtype --src-type LOCAL -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-m addrtype --src-type LOCAL -j DROP", "10.77.0.11", 22, Verdict::may},
        {"-m ttl --ttl-eq 0 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-m ttl --ttl-lt 10 -j DROP", "8.8.8.8", 22, Verdict::may},
        {"-p tcp -m tcpmss --mss 1:535 -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-p tcp -m tcp --sport 8080 -j DROP", "8.8.8.8", 22, Verdict::may},
        {"-p tcp -m tcp --sport 8080 -j ACCEPT\n-A INPUT -p tcp -m tcp ! --sport 8080 -j ACCEPT\n-A INPUT -j "
         "DROP",
         "8.8.8.8", 22, Verdict::must_reach},
        {"-j LOG --log-prefix \"-j DROP\"", "8.8.8.8", 22, Verdict::must_reach},
        {"-j mine\n-A mine -p tcp -j RETURN\n-A mine -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-g mine\n-A INPUT -j DROP\n-A mine -p udp -j DROP", "8.8.8.8", 22, Verdict::must_reach},
        {"-j UNHEARDOF", "8.8.8.8", 22, Verdict::may},
    };
    for (const auto& row : rows) {
        INFO(row.rule << " from " << row.source << " to " << row.port);
        const auto rules = legacy(input(std::string("-A INPUT ") + row.rule + "\n"));
        CHECK(std::string(verdictName(verdict(rules, row.source, row.port))) == verdictName(row.verdict));
    }
}

TEST_CASE("a container's published port goes past input, by the forward path") {
    for (const auto* name : {"docker-nft", "docker-legacy"}) {
        INFO(name);
        const auto rules = real(name);
        const auto result = evaluate(rules, "8.8.8.8", 13306);
        CHECK(result.verdict == Verdict::must_reach);
        CHECK(result.forwarded);
        CHECK(result.translated_to == "172.17.0.2:3306");
        CHECK(evaluate(rules, "8.8.8.8", 3306).verdict ==
              Verdict::must_block);  // the host's own: input drops it
        CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
        CHECK(rules.managers() == std::vector<std::string>{"Docker"});
    }
    CHECK(real("docker-legacy").mixesLegacy());
}

TEST_CASE("ufw as its rules are loaded") {
    const auto rules = real("ufw");
    CHECK(rules.managers() == std::vector<std::string>{"ufw"});
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::must_reach);
    CHECK(verdict(rules, "2001:db8::1", 80) == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "10.77.0.12", 3306) == Verdict::must_reach);
    CHECK(verdict(rules, "10.77.0.13", 3306) == Verdict::must_block);
    CHECK(verdict(rules, "8.8.8.8", 40000) == Verdict::must_block);
    CHECK(verdict(rules, "2001:db8::1", 3306) == Verdict::must_block);
}

TEST_CASE("firewalld ends in a reject, not in a policy") {
    const auto rules = real("firewalld");
    CHECK(rules.managers() == std::vector<std::string>{"firewalld"});
    CHECK(verdict(rules, "8.8.8.8", 80) == Verdict::must_reach);
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
    CHECK(verdict(rules, "10.77.0.12", 3306) == Verdict::must_reach);
    const auto closed = evaluate(rules, "8.8.8.8", 3306);
    CHECK(closed.verdict == Verdict::must_block);
    CHECK(closed.rejected);
    CHECK(verdict(rules, "2001:db8::1", 3306) == Verdict::must_block);
}

TEST_CASE("fail2ban blocks the banned addresses and nothing else") {
    for (const auto* name : {"fail2ban-nft", "fail2ban-iptables"}) {
        INFO(name);
        const auto rules = real(name);
        CHECK(rules.managers() == std::vector<std::string>{"fail2ban"});
        CHECK(verdict(rules, "8.8.8.8", 40000) == Verdict::must_reach);
        CHECK(verdict(rules, "192.0.2.55", 22) == Verdict::must_block);
        CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
    }
}

TEST_CASE("Debian's example for a workstation") {
    const auto rules = real("debian-example");
    CHECK(rules.managers().empty());
    const auto ssh = evaluate(rules, "8.8.8.8", 22);
    CHECK(ssh.verdict == Verdict::must_block);  // by a rule: its policy accepts
    CHECK(rules.textOf(ssh.decided_by.at(0)) == "counter drop");
    CHECK(verdict(rules, "8.8.8.8", 40000) == Verdict::must_block);
    CHECK(verdict(rules, "2001:db8::1", 40000) == Verdict::must_block);
}

TEST_CASE("what could not be read makes everything uncertain") {
    const auto parsed = Ruleset::parse(
        listingOf(R"({"nftables":[]})", {}, {"the legacy table ip nat could not be read"}, kHost));
    REQUIRE(parsed);
    const auto result = evaluate(*parsed, "8.8.8.8", 22);
    CHECK(result.verdict == Verdict::may);
    CHECK(result.unknowns == std::vector<std::string>{"the legacy table ip nat could not be read"});
}

TEST_CASE("a save without what changes by itself") {
    const auto one = listingOf(
        R"({"nftables":[]})",
        {{Family::ipv4, true, "# Generated on Monday\n*filter\n:INPUT ACCEPT [7:900]\nCOMMIT\n"}}, {}, kHost);
    const auto other =
        listingOf(R"({"nftables":[]})",
                  {{Family::ipv4, true, "# Generated on Tuesday\n*filter\n:INPUT ACCEPT [8:999]\nCOMMIT\n"}},
                  {}, kHost);
    CHECK(one == other);
    CHECK(hostFromJson(toJson(kHost)) == kHost);
}

TEST_CASE("a comment is no rule, whatever it holds") {
    for (const auto* comment :
         {"\"first\nsecond\"", "\"a\n-A INPUT -j ACCEPT\nb\"", "\"a\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\"",
          "\"\\\"\n-A INPUT -j ACCEPT\n\\\"\"", "\"a\\\\\n:INPUT ACCEPT [0:0]\"", "\"\\'\n# x\"", "\"\""}) {
        INFO(comment);
        const auto rules = legacy(
            "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -m comment "
            "--comment " +
            std::string(comment) + " -j ACCEPT\nCOMMIT\n");
        CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::must_reach);
        CHECK(verdict(rules, "8.8.8.8", 23) == Verdict::must_block);
        CHECK(rules.textOf("legacy ip filter INPUT rule 1").find('\n') == std::string::npos);
    }
}

TEST_CASE("a line of a save that is not understood makes its table unknown") {
    for (const auto* line :
         {"-A INPUT -p udp -j DROP", "-A NOWHERE -j ACCEPT", "-A INPUT -j ACCEPT extra",
          "-A INPUT --dport 22 -j ACCEPT", "-A INPUT -j ACCEPT --with something",
          "-A INPUT -s 10.0.0.1 10.0.0.2 -j DROP", "second -j ACCEPT", "-A INPUT ! -j ACCEPT --x",
          "-I INPUT -j ACCEPT", ":INPUT DROP [0:0]", ":other MAYBE [0:0]", "\tx",
          "-A INPUT -m comment --comment \"\\n\" -j DROP", "-A INPUT -i a\"b -j DROP",
          "-A INPUT -m recent --set --name \"a b\" --rsource -j DROP"}) {
        INFO(line);
        const auto whole = std::string(line) == "-A INPUT -p udp -j DROP";
        for (const auto port : {22, 40000}) {
            const auto rules = legacy(
                "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp "
                "--dport 22 -j ACCEPT\n" +
                std::string(line) + "\nCOMMIT\n*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
            const auto result = evaluate(rules, "8.8.8.8", static_cast<std::uint16_t>(port));
            if (whole) {
                CHECK(result.verdict != Verdict::may);
                continue;
            }
            CHECK(result.verdict == Verdict::may);
            REQUIRE_FALSE(result.unknowns.empty());
        }
        CHECK(verdict(legacy("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"), "8.8.8.8", 22) ==
              Verdict::must_reach);
    }
}

TEST_CASE("a save that ends early, or whose quotes do, is not believed") {
    for (const auto* save :
         {"*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n", "*unheardof\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
          "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment \"a\nCOMMIT\n", "-A INPUT -j ACCEPT\n",
          "*filter\n:INPUT DROP [0:0]\n*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n"}) {
        INFO(save);
        const auto result = evaluate(legacy(save), "8.8.8.8", 22);
        CHECK(result.verdict == Verdict::may);
        CHECK_FALSE(result.unknowns.empty());
    }
}

TEST_CASE("a save and nft's listing that differ are not believed") {
    const std::string nft =
        R"({"nftables":[{"table":{"family":"ip","name":"filter","handle":1}},
        {"chain":{"family":"ip","table":"filter","name":"INPUT","handle":1,"type":"filter","hook":"input","prio":0,
        "policy":"drop"}},
        {"rule":{"family":"ip","table":"filter","chain":"INPUT","handle":2,
        "expr":[{"xt":{"type":"match","name":"recent"}},{"drop":null}]}}]})";
    const auto read = [&](const std::string& rules) {
        auto parsed = Ruleset::parse(listingOf(
            nft, {{Family::ipv4, false, "*filter\n:INPUT DROP [0:0]\n" + rules + "COMMIT\n"}}, {}, kHost));
        REQUIRE(parsed);
        return evaluate(*parsed, "8.8.8.8", 22).verdict;
    };
    const std::string rule = "-A INPUT -m recent --set --name x --mask 255.255.255.255 --rsource -j DROP\n";
    CHECK(read(rule) == Verdict::must_block);
    // The name "x ...\n-A INPUT -j ACCEPT\n-A INPUT -m recent --set --name y" is printed without quotes.
    CHECK(read(rule + "-A INPUT -j ACCEPT\n" + rule) == Verdict::may);
}

TEST_CASE("a negated recent match is not decided") {
    const auto rules =
        legacy(input("-A INPUT -m recent ! --rcheck --seconds 60 --hitcount 4 --name D --rsource -j DROP\n"));
    CHECK(verdict(rules, "8.8.8.8", 22) == Verdict::may);
}

TEST_CASE("the sets of ipset are read") {
    const std::string sets =
        "create bad hash:ip family inet hashsize 1024 maxelem 65536 counters comment\n"
        "add bad 192.0.2.1 packets 0 bytes 0 comment \"two\nadd bad 192.0.2.9\"\n"
        "create nets hash:net family inet timeout 300 bucketsize 12 initval 0x1\n"
        "add nets 198.51.100.0/24 timeout 0\nadd nets 203.0.113.0/24 timeout 299\n"
        "create six hash:net family inet6\nadd six 2001:db8::/32\n"
        "create ports hash:ip,port family inet\nadd ports 192.0.2.2,tcp:22\n"
        "create holes hash:net family inet\nadd holes 192.0.2.0/24\nadd holes 192.0.2.7/32 nomatch\n"
        "create grown hash:ip family inet\n";
    const auto with = [&](const std::string& rule, const std::string& text) {
        auto parsed = Ruleset::parse(listingOf(R"({"nftables":[]})",
                                               {{Family::ipv4, true,
                                                 input("-A INPUT " + rule +
                                                       " -j DROP\n-A INPUT -p udp -j SET "
                                                       "--add-set grown src\n")}},
                                               {}, kHost, text));
        REQUIRE(parsed);
        return std::move(*parsed);
    };
    struct Row {
        const char* rule;
        const char* source;
        Verdict verdict;
    };
    for (const auto& row : {Row{"-m set --match-set bad src", "192.0.2.1", Verdict::must_block},
                            Row{"-m set --match-set bad src", "192.0.2.9", Verdict::must_reach},
                            Row{"-m set ! --match-set bad src", "192.0.2.9", Verdict::must_block},
                            Row{"-m set --match-set bad dst", "192.0.2.1", Verdict::must_reach},
                            Row{"-m set --match-set nets src", "198.51.100.9", Verdict::must_block},
                            Row{"-m set --match-set nets src", "203.0.113.9", Verdict::may},
                            Row{"-m set --match-set nets src", "8.8.8.8", Verdict::must_reach},
                            Row{"-m set --match-set six src", "8.8.8.8", Verdict::may},
                            Row{"-m set --match-set ports src,dst", "192.0.2.2", Verdict::may},
                            Row{"-m set --match-set holes src", "192.0.2.7", Verdict::may},
                            Row{"-m set --match-set grown src", "192.0.2.7", Verdict::may},
                            Row{"-m set --match-set missing src", "192.0.2.7", Verdict::may}}) {
        INFO(row.rule << " from " << row.source);
        for (const auto& text : {sets, compactIpsets(sets)}) {
            CHECK(std::string(verdictName(verdict(with(row.rule, text), row.source, 22))) ==
                  verdictName(row.verdict));
        }
    }
    // A name may hold anything: then nothing is believed.
    CHECK(verdict(with("-m set --match-set bad src", sets + "create x\nadd bad 8.8.8.8\n"), "8.8.8.8", 22) ==
          Verdict::may);
    CHECK(verdict(with("-m set --match-set bad src", sets + "add bad 1.2.3.4 comment \"x\n"), "8.8.8.8",
                  22) == Verdict::may);
}
