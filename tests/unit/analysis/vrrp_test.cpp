// The simulation of VRRP against what keepalived 2.2.7 did (tests/fixtures/keepalived/takeover.json: two
// hosts a and b with their configurations, and who held the address after each event).
#include "collector/analysis/topology/vrrp.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agent/snapshot/helper/keepalived_conf.h"
#include "collector/analysis/topology/contest.h"
#include "common/json.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::analysis;
using topology::contestAfterStop;
using topology::vrrp::Contender;
using topology::vrrp::Router;
using Hosts = std::set<std::string>;

namespace {

/// As the samples of the agent carry it to the collector.
evidence::VrrpInstance carried(const agent::VrrpInstance& instance) {
    evidence::VrrpInstance out;
    out.name = instance.name;
    out.interface = instance.interface;
    out.virtual_router_id = std::to_string(instance.virtual_router_id);
    out.priority = instance.priority;
    for (const auto& peer : instance.peers) {
        out.peers.push_back(*reach::Address::parse(peer));
    }
    out.source = reach::Address::parse(instance.source);
    out.version = std::to_string(instance.version);
    out.interval = instance.interval;
    out.authentication = instance.authentication;
    out.nopreempt = instance.nopreempt;
    out.preempt_delay = instance.preempt_delay;
    out.group = instance.group;
    for (const auto& track : instance.tracks) {
        out.checks.push_back({track.kind, track.name, track.weight, track.reverse, track.watched,
                              track.target, track.ignored});
    }
    for (const auto& address : instance.addresses) {
        out.advertised.insert(*reach::Address::parse(address.substr(0, address.find('/'))));
    }
    out.addresses = out.advertised;
    return out;
}

/// keepalived on one host.
struct Side {
    Side(const std::string& name, const char* address, const std::string& text) {
        const agent::ScriptFacts facts{[](const std::string& command, bool) -> std::string {
            return command.starts_with("/nowhere/") ? "it does not exist" : "";
        }};
        for (const auto& instance : agent::parseKeepalived(text, facts).instances) {
            vrrp.instances.push_back(carried(instance));
        }
        vrrp.runs = true;
        REQUIRE_FALSE(vrrp.instances.empty());
        const auto* instance = vrrp.moving(*reach::Address::parse("10.9.0.100"));
        REQUIRE(instance != nullptr);
        router = {name, true, instance, vrrp.groupOf(*instance), {*reach::Address::parse(address)}};
    }
    Side(const Side&) = delete;

    evidence::Vrrp vrrp;
    Router router;
};

bool hears(const Router& sender, const Router& receiver) {
    return topology::vrrp::unheard(sender, receiver).empty();
}

Hosts holders(const Router& a, const Router& b, const std::string& from, bool fails_on_a) {
    const auto failing = [](const evidence::VrrpCheck& check) {
        return check.watched == lapwing::vrrp::Watched::program && check.target == "haproxy";
    };
    const auto healthy = [](const evidence::VrrpCheck&) { return false; };
    const std::vector<Contender> contenders{
        {&a, fails_on_a ? topology::vrrp::priorityOf(a, failing) : topology::vrrp::priorityOf(a, healthy)},
        {&b, topology::vrrp::priorityOf(b, healthy)}};
    return topology::vrrp::holdersAfter(contenders, from, hears);
}

Hosts hostsIn(const std::string& letters) {
    Hosts out;
    for (const char letter : letters) {
        out.insert(std::string(1, letter));
    }
    return out;
}

std::string firstOf(const std::string& letters) {
    return letters.substr(0, 1);
}

/// A pair with this line in vrrp_script, and the other settings of each host.
std::string config(const std::string& script, const std::string& instance,
                   const std::string& command = "/usr/bin/killall -0 haproxy") {
    return "vrrp_script c {\nscript \"" + command + "\"\n" + script +
           "\n}\nvrrp_instance v {\ninterface eth0\n" + "virtual_router_id 51\n" + instance +
           "\nvirtual_ipaddress {\n10.9.0.100/24\n}\ntrack_script {\nc\n}\n}\n";
}

topology::Contest contest(const std::string& active, const std::string& standby,
                          const evidence::Network& network = {}) {
    const Side a("lb-01", "10.9.0.1", active);
    const Side b("lb-02", "10.9.0.2", standby);
    return contestAfterStop(network, a.router, b.router, {"haproxy", "HAProxy"},
                            [](const auto&, const auto&) { return true; });
}

topology::Contest contestOf(const std::string& script,
                            const std::string& command = "/usr/bin/killall -0 haproxy",
                            const evidence::Network& network = {}) {
    return contest(config(script, "state MASTER\npriority 150", command),
                   config(script, "priority 100", command), network);
}

}  // namespace

TEST_CASE("vrrp: the holders are those of keepalived") {
    json::Document cases;
    cases.Parse(test::fixture("keepalived/takeover.json").c_str());
    REQUIRE(cases.IsArray());
    CHECK(cases.Size() > 45);
    for (const auto& each : json::items(cases)) {
        INFO(json::text(each, "name"));
        const Side a("a", "10.9.0.1", json::text(each, "a"));
        const Side b("b", "10.9.0.2", json::text(each, "b"));
        const auto before = json::text(each, "before");
        const auto failed = json::text(each, "check fails on a");
        const auto again = json::text(each, "check succeeds again");
        CHECK(holders(a.router, b.router, firstOf(before), false) == hostsIn(before));
        CHECK(holders(a.router, b.router, firstOf(before), true) == hostsIn(failed));
        CHECK(holders(a.router, b.router, firstOf(failed), false) == hostsIn(again));
        auto dead = a.router;
        dead.runs = false;
        CHECK(holders(dead, b.router, firstOf(again), false) == hostsIn(json::text(each, "a is dead")));
    }
}

TEST_CASE("vrrp: a contest in plain words") {
    CHECK(contestOf("").moves == Truth::yes);
    CHECK(contestOf("weight -60").moves == Truth::yes);
    const auto two = contestOf("weight 2");
    CHECK(two.moves == Truth::no);
    CHECK(
        two.why ==
        "lb-01 has priority 152. When its check \"c\" fails it still has 150, more than lb-02's 102, so the "
        "address stays");
    const auto equal = contestOf("weight -50");
    CHECK(equal.moves == Truth::no);
    CHECK(equal.why ==
          "lb-01 has priority 150. When its check \"c\" fails it has 100, as much as lb-02, which takes the "
          "address "
          "only from a lower priority. So the address stays");
    const auto kept =
        contest(config("weight -60", "priority 150"), config("weight -60", "priority 100\nnopreempt"));
    CHECK(kept.moves == Truth::no);
    CHECK(
        kept.why ==
        "lb-01 has priority 150. When its check \"c\" fails it has 90, less than lb-02's 100, but lb-02 has "
        "`nopreempt` and takes the address from no running keepalived. So the address stays");
    const auto late = contest(config("weight -60", "priority 150"),
                              config("weight -60", "priority 100\npreempt_delay 300"));
    CHECK(late.moves == Truth::no);
    CHECK(late.why.ends_with("lb-02 waits 300 s before it takes the address (preempt_delay)"));
    // Without a weight the host gives the address up, whatever the other's preemption.
    CHECK(contest(config("", "priority 150"), config("", "priority 100\nnopreempt")).moves == Truth::yes);
}

TEST_CASE("vrrp: a check counts if it looks at the load balancer") {
    for (const auto* command :
         {"/usr/bin/killall -0 haproxy", "pidof haproxy", "/usr/bin/pgrep -x haproxy", "pgrep ^haproxy$",
          "pgrep haproxy", "/bin/systemctl is-active --quiet haproxy",
          "systemctl -q is-active haproxy.service", "/usr/sbin/service haproxy status",
          "/etc/init.d/haproxy status", "/bin/sh -c 'killall -0 haproxy'"}) {
        INFO(command);
        CHECK(contestOf("", command).moves == Truth::yes);
    }
    for (const auto* command : {"/usr/bin/pgrep -x nginx", "/bin/true", "/bin/ping -c 1 10.9.0.254",
                                "systemctl is-active nginx", "pidof keepalived"}) {
        INFO(command);
        CHECK(contestOf("", command).moves == Truth::no);
        CHECK(contestOf("weight -60", command).moves == Truth::no);
    }
    for (const auto* command :
         {"/etc/keepalived/check.sh", "pgrep -f haproxy", "killall haproxy",
          "/usr/bin/test -e /run/haproxy.pid", "sh -c 'killall -0 haproxy || true'", ""}) {
        INFO(command);
        CHECK(contestOf("", command).moves == Truth::unknown);
        // Whatever it checks, such a weight cannot move the address.
        CHECK(contestOf("weight 2", command).moves == Truth::no);
    }
    CHECK(
        contestOf("", "/etc/keepalived/check.sh").why ==
        "its check \"c\" looks at something that Lapwing cannot read (/etc/keepalived/check.sh): whether the "
        "address moves if HAProxy alone stops is not known");
    CHECK(contestOf("", "/usr/bin/pgrep -x nginx").why ==
          "its check \"c\" looks at nginx: if HAProxy alone stops, the address stays");
    CHECK(
        contestOf("", "/nowhere/check").why ==
        "keepalived ignores its check \"c\" (it does not exist): if HAProxy alone stops, the address stays");
    // Another user may not signal HAProxy.
    CHECK(contestOf("user nobody").moves == Truth::unknown);
    CHECK(contestOf("user root").moves == Truth::yes);
}

TEST_CASE("vrrp: a check of a port counts if the load balancer alone listens there") {
    evidence::Network network;
    auto& host = network.hosts["lb-01"];
    host.listeners_known = true;
    host.addresses.push_back({*reach::Address::parse("10.9.0.1"), "eth0"});
    const auto listens = [&](int port, const char* process) {
        host.listeners.push_back(
            {evidence::Transport::tcp, reach::Family::ipv4, "0.0.0.0", port, process, ""});
    };
    listens(80, "haproxy");
    listens(8000, "gunicorn");
    CHECK(contestOf("", "curl -fsS -m 2 http://127.0.0.1/", network).moves == Truth::yes);
    CHECK(contestOf("", "/usr/bin/curl -s -o /dev/null http://10.9.0.1:80/healthz", network).moves ==
          Truth::yes);
    CHECK(contestOf("", "nc -z localhost 80", network).moves == Truth::yes);
    CHECK(contestOf("", "curl http://127.0.0.1:8000/", network).moves == Truth::no);
    CHECK(contestOf("", "curl http://10.9.0.77/", network).moves == Truth::no);
    CHECK(contestOf("", "curl --unix-socket /run/x http://127.0.0.1/", network).moves == Truth::unknown);
    CHECK(contestOf("", "curl http://127.0.0.1/").moves == Truth::unknown);
    // haproxy_exporter would keep `pgrep haproxy` happy.
    CHECK(contestOf("", "pgrep haproxy", network).moves == Truth::yes);
    listens(9101, "haproxy_exporte");
    CHECK(contestOf("", "pgrep haproxy", network).moves == Truth::unknown);
    CHECK(contestOf("", "pgrep -x haproxy", network).moves == Truth::yes);
}

TEST_CASE("vrrp: process tracks") {
    const auto track = [](const std::string& definition, const std::string& instance) {
        return "vrrp_track_process p {\n" + definition + "\n}\nvrrp_instance v {\ninterface eth0\n" +
               instance + "\nvirtual_ipaddress {\n10.9.0.100\n}\ntrack_process {\np\n}\n}\n";
    };
    const auto of = [&](const std::string& definition) {
        return contest(track(definition, "priority 150"), track(definition, "priority 100")).moves;
    };
    CHECK(of("process haproxy\nweight 0") == Truth::yes);
    // The default weight is 1.
    CHECK(of("process haproxy") == Truth::no);
    CHECK(of("process haproxy\nweight 60") == Truth::yes);
    CHECK(of("process nginx\nweight 0") == Truth::no);
    CHECK(of("process haproxy\nfull_command\nweight 0") == Truth::unknown);
}
