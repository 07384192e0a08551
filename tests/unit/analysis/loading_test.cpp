// How the proposed rules are loaded, by the program that keeps a host's rules.
#include "collector/analysis/exposure/loading.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/exposure/keeper_rules.h"
#include "collector/analysis/exposure/remedy.h"
#include "tests/unit/analysis/nft_rules.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::analysis;
using namespace lapwing::analysis::exposure;
using evidence::BootRules;

namespace {

reach::AddressRange range(const char* text) {
    return *reach::AddressRange::parse(text);
}

NftTable input() {
    return inputTable(
        {{{}, 22, "ssh"},
         {{range("10.77.0.10"), range("10.77.0.12"), range("fd77::10")}, 80, "the load balancer's"},
         {{range("10.77.0.12")}, 3306, "replication"}});
}

evidence::Host hostWith(BootRules boot) {
    evidence::Host out;
    out.name = "web-01";
    out.agent_present = true;
    out.boot = std::move(boot);
    evidence::HostAddress held;
    held.address = *reach::Address::parse("10.77.0.11");
    held.interface = "eth0";
    out.addresses = {held};
    return out;
}

std::string stepsFor(BootRules boot, const NftTable& table = input()) {
    return loadingSteps(hostWith(std::move(boot)), table);
}

BootRules madeBy(const char* unit) {
    BootRules out;
    out.makers = {unit};
    return out;
}

BootRules loadedFrom(const char* sources) {
    BootRules out;
    out.sources = sources;
    return out;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

bool contains(const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

/// A shell reads it, and nothing stands outside of commands and comments.
void checkShell(const std::string& steps) {
    INFO(steps);
    const auto read = lapwing::runTool({"/bin/bash", "-n", "-c", steps}, std::chrono::seconds(5), 1U << 16);
    CHECK(read.status == lapwing::ReadStatus::ok);
    CHECK(read.error.empty());
    const auto one = steps.find("# 1. On web-01");
    const auto two = steps.find("# 2. ");
    const auto three = steps.find("# 3. ");
    CHECK(one < two);
    CHECK(two < three);
    CHECK(three < steps.find("systemctl stop lapwing-undo.timer"));
    // Nothing is loaded without a way back.
    CHECK(has(steps,
              "systemd-run --collect --unit=lapwing-undo --on-active=5min --timer-property=AccuracySec=1s "));
}

}  // namespace

TEST_CASE("the keeper of a host's rules") {
    CHECK(rulesKeeper({}) == RulesKeeper::nftables);
    CHECK(rulesKeeper(loadedFrom("nftables.service /etc/nftables.conf")) == RulesKeeper::nftables);
    CHECK(rulesKeeper(loadedFrom("b.service /etc/b.nft, nftables.service /etc/nftables.conf")) ==
          RulesKeeper::nftables);
    CHECK(rulesKeeper(loadedFrom("b.service /etc/b.nft")) == RulesKeeper::other);
    CHECK(rulesKeeper(loadedFrom("netfilter-persistent.service /etc/iptables/rules.v4")) ==
          RulesKeeper::netfilter_persistent);
    CHECK(rulesKeeper(madeBy("ufw.service")) == RulesKeeper::ufw);
    CHECK(rulesKeeper(madeBy("firewalld.service")) == RulesKeeper::firewalld);
    CHECK(rulesKeeper(madeBy("shorewall.service")) == RulesKeeper::other);
}

TEST_CASE("rules are loaded where Debian loads them, after a try of five minutes") {
    const auto steps = stepsFor({});
    checkShell(steps);
    CHECK(test::stepsOf(steps).rules == tableText(input()));
    CHECK(has(steps,
              "systemd-run --collect --unit=lapwing-undo --on-active=5min --timer-property=AccuracySec=1s "
              "nft -f /run/lapwing-undo.nft &&\n    nft -f /etc/nftables.d/lapwing.nft\n"));
    CHECK(has(steps, "include \"/etc/nftables.d/lapwing.nft\""));
    // Connections that are open before the rules go on.
    CHECK(steps.find("nft 'table inet lapwing_track {") < steps.find("# 2. "));
    CHECK(steps.find("nft delete table inet lapwing_track") >
          steps.find("nft -f /etc/nftables.d/lapwing.nft"));
    CHECK(has(steps, "cp -a --backup=numbered /etc/nftables.conf /etc/nftables.conf.old"));
    CHECK(has(steps, "systemctl enable nftables.service"));
    CHECK(has(steps, "look at what else it holds"));
    CHECK_FALSE(
        has(stepsFor(loadedFrom("nftables.service /etc/nftables.conf")), "look at what else it holds"));

    // /etc/nftables.conf is not the file of the boot, and would flush the rules of the other unit.
    const auto beside = stepsFor(loadedFrom("b.service /etc/b.nft"));
    checkShell(beside);
    CHECK_FALSE(has(beside, "/etc/nftables.conf"));
    CHECK(has(beside, "systemctl enable lapwing-rules.service"));
    checkShell(stepsFor(madeBy("shorewall.service")));
    BootRules unknown;
    unknown.unknown = "rc-local.service runs a script that names iptables";
    const auto unsure = stepsFor(unknown);
    checkShell(unsure);
    CHECK(has(unsure, "not known: rc-local.service runs a script that names iptables"));
    CHECK(has(unsure, "systemctl enable lapwing-rules.service"));
    evidence::Host without_agent;
    without_agent.name = "web-01";
    CHECK(has(loadingSteps(without_agent, input()), "where ufw or firewalld does"));
}

TEST_CASE("rules in the words of ufw") {
    const auto commands = ufwCommands(input());
    REQUIRE(commands);
    CHECK(*commands ==
          std::vector<std::string>{
              "ufw prepend deny proto tcp from any to any port 80 comment 'other hosts'",
              "ufw prepend allow proto tcp from 10.77.0.10 to any port 80 comment 'the load balancer s'",
              "ufw prepend allow proto tcp from 10.77.0.12 to any port 80 comment 'the load balancer s'",
              "ufw prepend allow proto tcp from fd77::10 to any port 80 comment 'the load balancer s'",
              "ufw prepend deny proto tcp from any to any port 3306 comment 'other hosts'",
              "ufw prepend allow proto tcp from 10.77.0.12 to any port 3306 comment 'replication'",
              "ufw prepend allow proto tcp from any to any port 22 comment 'ssh'",
              "ufw default deny incoming"});
    const auto steps = stepsFor(madeBy("ufw.service"));
    checkShell(steps);
    CHECK(has(steps, "ufw keeps the rules of web-01"));
    CHECK(has(steps, "tar -C / -xf /run/lapwing-undo.tar && ufw reload"));
    CHECK_FALSE(has(steps, "nft "));
    // It has no words for a rule of the forward hook.
    const auto forward =
        forwardTable("eth0", *reach::Address::parse("172.17.0.2"), 3306, {range("10.0.0.0/8")});
    CHECK_FALSE(ufwCommands(forward));
    CHECK(has(stepsFor(madeBy("ufw.service"), forward), "systemctl enable lapwing-forward-rules.service"));
    // Ports that nobody but the sources may use.
    const auto ports = ufwCommands(portsTable({8404}, {range("10.77.0.20")}));
    REQUIRE(ports);
    CHECK(*ports == std::vector<std::string>{
                        "ufw prepend deny proto tcp from any to any port 8404 comment 'other hosts'",
                        "ufw prepend allow proto tcp from 10.77.0.20 to any port 8404"});
}

TEST_CASE("rules in the words of firewalld") {
    const auto rules = firewalldRules(input());
    REQUIRE(rules);
    CHECK(contains(*rules, "rule priority=\"-100\" port port=\"22\" protocol=\"tcp\" accept"));
    CHECK(contains(*rules,
                   "rule priority=\"-100\" family=\"ipv4\" source address=\"10.77.0.10\" port port=\"80\" "
                   "protocol=\"tcp\" accept"));
    CHECK(contains(*rules,
                   "rule priority=\"-100\" family=\"ipv6\" source address=\"fd77::10\" port port=\"80\" "
                   "protocol=\"tcp\" accept"));
    CHECK(contains(*rules, "rule priority=\"-50\" port port=\"80\" protocol=\"tcp\" drop"));
    CHECK(contains(*rules, "rule priority=\"32766\" protocol value=\"58\" accept"));
    CHECK(rules->back() == "rule priority=\"32767\" drop");
    const auto steps = stepsFor(madeBy("firewalld.service"));
    checkShell(steps);
    CHECK(has(steps, "for i in eth0; do"));
    CHECK(has(steps, "AccuracySec=1s firewall-cmd --reload &&"));
    CHECK(has(steps, "firewall-cmd --runtime-to-permanent"));
}

TEST_CASE("rules in the words of iptables") {
    const auto v4 = iptablesRules(input(), reach::Family::ipv4);
    const auto v6 = iptablesRules(input(), reach::Family::ipv6);
    REQUIRE(v4);
    REQUIRE(v6);
    CHECK(v4->front() == ":LAPWING - [0:0]");
    CHECK(contains(*v4, "-A LAPWING -i lo -j RETURN"));
    CHECK(contains(*v4, "-A LAPWING -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"));
    CHECK(contains(
        *v4,
        "-A LAPWING -s 10.77.0.10 -p tcp --dport 80 -m comment --comment \"the load balancer s\" -j RETURN"));
    CHECK_FALSE(contains(
        *v4,
        "-A LAPWING -s fd77::10 -p tcp --dport 80 -m comment --comment \"the load balancer s\" -j RETURN"));
    CHECK(contains(
        *v6,
        "-A LAPWING -s fd77::10 -p tcp --dport 80 -m comment --comment \"the load balancer s\" -j RETURN"));
    CHECK(v4->back() == "-A LAPWING -j DROP");
    const auto steps = stepsFor(loadedFrom("netfilter-persistent.service /etc/iptables/rules.v4"));
    checkShell(steps);
    CHECK(has(steps, "iptables -C INPUT -j LAPWING 2>/dev/null || iptables -I INPUT -j LAPWING"));
    CHECK(has(steps, "netfilter-persistent save"));

    std::set<int> many;
    for (int port = 1; port <= 16; ++port) {
        many.insert(port);
    }
    const auto chunks = iptablesRules(portsTable(many, {range("10.0.0.0/8")}), reach::Family::ipv4);
    REQUIRE(chunks);
    CHECK(contains(*chunks,
                   "-A LAPWING_PORTS -s 10.0.0.0/8 -p tcp -m multiport --dports "
                   "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j RETURN"));
    CHECK(contains(*chunks, "-A LAPWING_PORTS -s 10.0.0.0/8 -p tcp --dport 16 -j RETURN"));
    CHECK_FALSE(
        iptablesRules(forwardTable("eth0", *reach::Address::parse("172.17.0.2"), 3306, {range("10.0.0.0/8")}),
                      reach::Family::ipv4));
}
