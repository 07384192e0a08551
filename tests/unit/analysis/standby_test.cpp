#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "collector/analysis/topology/what_if.h"
#include "common/files.h"
#include "tests/unit/analysis/watched_site.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::analysis;

using test::Watched;

namespace {

const char* const kEntry = "10.77.0.100";
const char* const kEntrySix = "2001:db8:77::100";
const char* const kDropsVrrp = R"({"nftables": [
    {"table": {"family": "inet", "name": "t", "handle": 1}},
    {"chain": {"family": "inet", "table": "t", "name": "in", "handle": 1, "type": "filter", "hook": "input",
               "prio": 0, "policy": "accept"}},
    {"rule": {"family": "inet", "table": "t", "chain": "in", "handle": 7, "expr": [
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "protocol"}}, "right": "vrrp"}},
        {"drop": null}]}}]})";

/// The site with two load balancers. keepalived moves the entry between them.
class Pair : public Watched {
  public:
    struct Balancer {
        bool present = true;
        bool holds = false;
        bool runs = true;  ///< keepalived runs
        bool moves = true;
        bool haproxy = true;
        std::string id = "51";
        std::string check = "haproxy";  ///< the process that its script looks at; "": no check
        int weight = 0;
        int priority = 100;
        std::string version = "2";
        std::string unread = {};
        std::string peers = {};  ///< unicast_peer
        std::string port = "80";
        std::string bound = {};  ///< the address where it listens; "": every one
        std::string ruleset = test::kNoRules;
        std::map<std::string, std::string> inventory;
    };

    explicit Pair(bool six = false) : six_(six) {
        site.entry = {six ? fmt::format("http://[{}]/", kEntrySix) : fmt::format("http://{}/", kEntry)};
        balancers["lb-01"].holds = true;
        balancers["lb-02"];
    }

    /// Adds the current reports of both agents.
    void tell() {
        for (const auto& [host, one] : balancers) {
            if (one.present) {
                tellOf(host, one);
            }
        }
    }

    /// Runs rounds until `seconds` have passed.
    void rounds(int seconds) {
        for (int i = 0; i <= seconds; i += 10) {
            tell();
            round();
        }
    }

    std::map<std::string, Balancer> balancers;

  private:
    void tellOf(const std::string& host, const Balancer& one) {
        const auto with = [&](const char* job, std::vector<Label> more = {}) {
            more.push_back({"agent", host});
            more.push_back({"instance", host});
            more.push_back({"job", job});
            return Labels(std::move(more));
        };
        const std::string own =
            (six_ ? "2001:db8:77::" : "10.77.0.") + std::string(host == "lb-01" ? "10" : "13");
        const auto* family = six_ ? "ipv6" : "ipv4";
        const auto* entry = six_ ? kEntrySix : kEntry;
        samples.add("lapwing_agent_info", with("agent", {{"version", "0.1.0"}}));
        const auto address = [&](const std::string& text, bool here) {
            const auto labels = with("agent", {{"address", text}, {"family", family}, {"interface", "eth0"}});
            if (here) {
                samples.add("lapwing_agent_address_info", labels);
            } else if (held_.contains(host)) {
                samples.end("lapwing_agent_address_info", labels);
            }
        };
        address(own, true);
        address(entry, one.holds);
        if (one.holds) {
            held_.insert(host);
        }
        samples.add("up", with("sockets"));
        samples.add("up", with("firewall"));
        samples.add("up", with("haproxy", {{"via", "socket"}}), one.haproxy ? 1 : 0);
        samples.add("keepalived_up", with("keepalived"), one.runs ? 1 : 0);
        const std::string any = six_ ? "::" : "0.0.0.0";
        const auto listens = with("sockets", {{"protocol", "tcp"},
                                              {"family", family},
                                              {"address", one.bound.empty() ? any : one.bound},
                                              {"port", one.port},
                                              {"process", "haproxy"}});
        if (one.haproxy) {
            samples.add("lapwing_listener_info", listens);
        } else {
            samples.end("lapwing_listener_info", listens);
        }
        if (one.moves) {
            samples.add("lapwing_vrrp_instance_info",
                        with("keepalived", {{"vrrp_instance", "site"},
                                            {"interface", "eth0"},
                                            {"virtual_router_id", one.id},
                                            {"priority", std::to_string(one.priority)},
                                            {"initial_state", "BACKUP"},
                                            {"version", one.version},
                                            {"peers", one.peers},
                                            {"unread", one.unread}}));
            samples.add("lapwing_vrrp_address_info",
                        with("keepalived", {{"vrrp_instance", "site"}, {"address", entry}}));
            const auto check = with("keepalived", {{"vrrp_instance", "site"},
                                                   {"kind", "script"},
                                                   {"check", "c"},
                                                   {"weight", std::to_string(one.weight)},
                                                   {"watches", "program"},
                                                   {"target", "haproxy"}});
            if (!one.check.empty()) {
                samples.add("lapwing_vrrp_check_info", check);
            } else {
                samples.end("lapwing_vrrp_check_info", check);
            }
        }
        samples.denies(host, false);
        const auto digest = host + std::to_string(one.ruleset.size());
        REQUIRE(samples.store().putDocument({digest, "ruleset", host, samples.now, one.ruleset}));
        samples.add("lapwing_ruleset_info", with("firewall", {{"digest", digest}}));
        for (const auto& [name, where] :
             {std::pair("web-01", "10.77.0.11:80"), std::pair("web-02", "10.77.0.12:80")}) {
            const auto labels = [&, &server = name](std::vector<Label> more) {
                more.push_back({"proxy", "web"});
                more.push_back({"server", server});
                more.push_back({"via", "socket"});
                return with("haproxy", std::move(more));
            };
            const auto status = labels({{"state", "UP"}});
            const auto info = labels({{"address", where}, {"role", "active"}, {"check", "L7"}});
            if (one.haproxy) {
                samples.add("haproxy_server_status", status);
                samples.add("lapwing_haproxy_server_info", info);
            } else {
                samples.end("haproxy_server_status", status);
                samples.end("lapwing_haproxy_server_info", info);
            }
        }
        for (const auto& [set, text] : one.inventory) {
            REQUIRE(samples.store().putDocument({"of " + text, "inventory", host, samples.now, text}));
            samples.add("lapwing_inventory_info",
                        with("inventory", {{"set", set}, {"digest", "of " + text}}));
        }
    }

    bool six_;
    std::set<std::string> held_;
};

}  // namespace

TEST_CASE("a second load balancer that takes over the address clears R1") {
    Pair pair;
    pair.rounds(40);
    CHECK(pair.find("R1") == nullptr);
    CHECK(pair.find("R8") == nullptr);
    CHECK(pair.find("R9") == nullptr);
    const auto& model = pair.analyst->moment()->model;
    const auto& read = model.service(topology::ServiceKind::read)->design;
    CHECK(read.singles().empty());
    // Whether an application asks another database is not known.
    CHECK(read.singles(false) == std::set<std::string>{"mysql@web-01", "mysql@web-02"});
    REQUIRE(model.entries.size() == 1);
    CHECK(model.entries[0].active == "lb-01");
    REQUIRE(model.entries[0].standbys.size() == 1);
    CHECK(model.entries[0].standbys[0].takesOver() == Truth::yes);
    CHECK(model.conflicts.empty());
}

TEST_CASE("without a declared entry, the address that moves is the entry") {
    Pair pair;
    pair.site.entry.clear();
    pair.rounds(10);
    REQUIRE(pair.analyst->moment()->model.entries.size() == 1);
    CHECK(pair.analyst->moment()->model.entries[0].address->toString() == kEntry);
    CHECK(pair.find("R1") == nullptr);
}

TEST_CASE("R9: an obstacle to the takeover brings R1 back") {
    Pair pair;
    auto& standby = pair.balancers["lb-02"];
    std::string says;
    SECTION("rules that drop VRRP") {
        standby.ruleset = kDropsVrrp;
        says = "keeps VRRP (protocol 112) out from lb-01 (10.77.0.10): inet t in handle 7";
    }
    SECTION("keepalived does not run") {
        standby.runs = false;
        says = "it does not run";
    }
    SECTION("no keepalived") {
        standby.moves = standby.runs = false;
        says = "there is none";
    }
    SECTION("another virtual router") {
        standby.id = "52";
        says = "its virtual_router_id is 52, that of lb-01 is 51";
    }
    SECTION("keepalived does not track HAProxy") {
        pair.balancers["lb-01"].check.clear();
        says = "it tracks no script and no process: if HAProxy alone stops, the address stays";
    }
    pair.rounds(20);
    REQUIRE(pair.find("R9") != nullptr);
    const auto finding = *pair.find("R9");
    CHECK(finding.subject == "haproxy@lb-02");
    CHECK(finding.severity == Severity::high);
    CHECK(std::any_of(finding.evidence.begin(), finding.evidence.end(),
                      [&](const auto& one) { return one.text == says; }));
    REQUIRE(pair.find("R1") != nullptr);
    CHECK(pair.find("R1")->severity == Severity::critical);

    standby = {};
    pair.balancers["lb-01"].check = "haproxy";
    pair.rounds(130);
    CHECK(pair.find("R9") == nullptr);
    CHECK(pair.find("R1") == nullptr);
}

TEST_CASE("R9: a standby that its active load balancer does not hear takes over, unless both run on") {
    Pair pair;
    auto& active = pair.balancers["lb-01"];
    auto& standby = pair.balancers["lb-02"];
    active.priority = 150;
    std::string says;
    const auto reading = [&](const char* failed) {
        const auto answer = topology::whatIf(*pair.analyst->moment(), {failed}, {});
        REQUIRE(answer);
        return answer->outcomes.front().after;
    };
    // With a weight keepalived of lb-01 goes on, and holds the address beside lb-02.
    const bool weight = GENERATE(false, true);
    active.weight = standby.weight = weight ? -60 : 0;
    SECTION("unicast_peer of another host") {
        active.peers = "10.77.0.13";
        standby.peers = "10.77.0.99";
        says = "lb-02 sends its advertisements to 10.77.0.99 (unicast_peer), which lb-01 does not have";
    }
    SECTION("rules that drop VRRP") {
        active.ruleset = kDropsVrrp;
        says = "keeps VRRP (protocol 112) out from lb-02 (10.77.0.13): inet t in handle 7";
    }
    pair.rounds(20);
    CHECK(reading("lb-01") == Truth::yes);
    CHECK(reading("haproxy@lb-01") == truthOf(!weight));
    CHECK((pair.find("R1") != nullptr) == weight);
    REQUIRE((pair.find("R9") != nullptr) == weight);
    if (weight) {
        const auto& evidence = pair.find("R9")->evidence;
        INFO(evidence.front().text);
        CHECK(std::any_of(evidence.begin(), evidence.end(),
                          [&](const auto& each) { return each.text.find(says) != std::string::npos; }));
    }
}

TEST_CASE("R1 and whatif: a check whose weight cannot change the order") {
    Pair pair;
    pair.balancers["lb-01"].priority = 150;
    for (auto& [host, one] : pair.balancers) {
        one.weight = 2;
    }
    pair.rounds(20);
    const std::string says =
        "lb-01 has priority 152. When its check \"c\" fails it still has 150, more than lb-02's 102, so the "
        "address "
        "stays";
    for (const auto* id : {"R1", "R9"}) {
        INFO(id);
        REQUIRE(pair.find(id) != nullptr);
        const auto& finding = *pair.find(id);
        CHECK(finding.confidence == Confidence::confirmed);
        CHECK(std::any_of(finding.evidence.begin(), finding.evidence.end(),
                          [&](const auto& one) { return one.text == says; }));
        CHECK(finding.remedy.find("Delete the `weight` of the check") != std::string::npos);
    }
    CHECK(pair.find("R1")->severity == Severity::critical);
    const auto reading = [&](const char* failed) {
        const auto answer = topology::whatIf(*pair.analyst->moment(), {failed}, {});
        REQUIRE(answer);
        return answer->outcomes.front().after;
    };
    CHECK(reading("haproxy@lb-01") == Truth::no);
    // The host's loss moves the address.
    CHECK(reading("lb-01") == Truth::yes);
    CHECK(reading("lb-02") == Truth::yes);
    const auto singles = pair.analyst->moment()->model.service(topology::ServiceKind::read)->design.singles();
    CHECK(singles == std::set<std::string>{"haproxy@lb-01"});
}

TEST_CASE("R1: what is not understood does not count") {
    Pair pair;
    SECTION("a setting") {
        pair.balancers["lb-02"].unread = "use_vmac";
    }
    SECTION("an older agent") {
        pair.balancers["lb-02"].version = "";
    }
    SECTION("another program that moves addresses") {
        pair.balancers["lb-02"].moves = pair.balancers["lb-02"].runs = false;
        pair.samples.own("lb-02", "lapwing_listener_info",
                         {{"protocol", "udp"},
                          {"family", "ipv4"},
                          {"address", "10.77.0.13"},
                          {"port", "5405"},
                          {"process", "corosync"}});
    }
    pair.rounds(20);
    REQUIRE(pair.find("R1") != nullptr);
    CHECK(pair.find("R1")->severity == Severity::high);
    CHECK(pair.find("R1")->confidence == Confidence::suspected);
    CHECK(pair.find("R9") == nullptr);
    CHECK(
        std::any_of(pair.find("R1")->evidence.begin(), pair.find("R1")->evidence.end(), [](const auto& one) {
            return one.text.find("Lapwing does not know") == 0 ||
                   one.text.find("older version") != std::string::npos ||
                   one.text.starts_with("corosync runs there");
        }));
}

TEST_CASE("R9 ends with a setting that is not understood, and stays without reports") {
    Pair pair;
    pair.balancers["lb-02"].runs = false;
    pair.rounds(20);
    REQUIRE(pair.find("R9") != nullptr);
    CHECK(pair.find("R9")->confidence == Confidence::confirmed);
    const bool reports = GENERATE(true, false);
    pair.balancers["lb-02"].runs = true;
    pair.balancers["lb-02"].unread = "use_vmac";
    pair.balancers["lb-02"].present = reports;
    pair.rounds(400);
    REQUIRE(pair.find("R1") != nullptr);
    CHECK(pair.find("R1")->confidence == Confidence::suspected);
    if (reports) {
        CHECK(pair.find("R9") == nullptr);
    } else {
        REQUIRE(pair.find("R9") != nullptr);
        CHECK(pair.find("R9")->confidence == Confidence::unknown);
    }
}

TEST_CASE("R1: the remedy gives the site a new address") {
    Pair pair;
    pair.site.entry = {"http://10.77.0.10/"};
    for (auto& [host, one] : pair.balancers) {
        one.moves = one.runs = one.holds = false;
    }
    pair.balancers["lb-02"].ruleset = kDropsVrrp;
    pair.rounds(20);
    REQUIRE(pair.find("R1") != nullptr);
    const auto remedy = pair.find("R1")->remedy;
    INFO(remedy);
    const auto says = [&](const char* text) { return remedy.find(text) != std::string::npos; };
    CHECK(says("# On lb-01, as root:\n"));
    CHECK(says("# On lb-02, as root:\n"));
    CHECK(says("virtual_ipaddress {\n        10.77.0.100/32 dev eth0\n    }"));
    CHECK_FALSE(says("        10.77.0.10/"));
    CHECK(says(
        "state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 150\n    advert_int 1\n    "
        "unicast_src_ip 10.77.0.10\n    unicast_peer {\n        10.77.0.13\n    }\n"));
    CHECK(says("unicast_src_ip 10.77.0.13\n    unicast_peer {\n        10.77.0.10\n    }\n"));
    CHECK(says("net.ipv4.ip_nonlocal_bind = 1"));
    CHECK(says("nft 'insert rule inet t in ip saddr 10.77.0.10 meta l4proto 112 accept'"));
    CHECK(says("sed -i 's|http://10\\.77\\.0\\.10/|http://10.77.0.100/|' /etc/lapwing/collector.yaml"));
    CHECK_FALSE(says("WRITE_"));
    CHECK_FALSE(says("finding R"));
    CHECK(says("With a second load balancer that takes over (simulated)"));
}

TEST_CASE("R1: HAProxy listens on the new address, too, if it listens on its own alone") {
    for (const bool six : {false, true}) {
        Pair pair(six);
        const std::string own = six ? "2001:db8:77::10" : "10.77.0.10";
        pair.site.entry = {six ? "http://[2001:db8:77::10]/" : "http://10.77.0.10/"};
        for (auto& [host, one] : pair.balancers) {
            one.moves = one.runs = one.holds = false;
        }
        pair.balancers["lb-01"].bound = own;
        pair.rounds(20);
        REQUIRE(pair.find("R1") != nullptr);
        const auto remedy = pair.find("R1")->remedy;
        INFO(remedy);
        CHECK(remedy.find(six ? "net.ipv6.ip_nonlocal_bind = 1" : "net.ipv4.ip_nonlocal_bind = 1") !=
              std::string::npos);
        const auto from = remedy.find("sed -i 's/^");
        REQUIRE(from != std::string::npos);
        auto command = remedy.substr(from, remedy.find('\n', from) - from);

        const test::TemporaryFolder directory;
        const std::string file = "/etc/haproxy/haproxy.cfg";
        REQUIRE(command.ends_with(file));
        command.replace(command.size() - file.size(), file.size(), directory.path("haproxy.cfg"));
        const auto rest = fmt::format("    bind 192.0.2.1:80\n\tserver a {}:80\n", own);
        const std::string added = six ? "bind [2001:db8:77::100]:80" : "bind 10.77.0.100:80";
        const auto forms =
            six ? std::vector<std::string>{"[" + own + "]:80", own + ":80", "ipv6@[" + own + "]:80"}
                : std::vector<std::string>{own + ":80", "ipv4@" + own + ":80"};
        for (const auto& form : forms) {
            for (const std::string more : {"", " ssl crt /etc/x.pem alpn h2"}) {
                const auto line = fmt::format("\tbind {}{}\n", form, more);
                directory.write("haproxy.cfg", fmt::format("frontend f\n{}{}", line, rest));
                REQUIRE(std::system(command.c_str()) == 0);
                CHECK(files::readFile(directory.path("haproxy.cfg")).value() ==
                      fmt::format("frontend f\n{}\t{}{}\n{}", line, added, more, rest));
            }
        }
        // Another port is another listener.
        const auto other = fmt::format("frontend f\n    bind {}80\n", forms[0]);
        directory.write("haproxy.cfg", other);
        REQUIRE(std::system(command.c_str()) == 0);
        CHECK(files::readFile(directory.path("haproxy.cfg")).value() == other);
    }
}

TEST_CASE("R9: a standby that does not listen is told the family's setting") {
    for (const bool six : {false, true}) {
        Pair pair(six);
        pair.balancers["lb-02"].bound = six ? "2001:db8:77::13" : "10.77.0.13";
        pair.rounds(20);
        REQUIRE(pair.find("R9") != nullptr);
        const auto remedy = pair.find("R9")->remedy;
        INFO(remedy);
        CHECK(remedy.find(six ? "net.ipv6.ip_nonlocal_bind" : "net.ipv4.ip_nonlocal_bind") !=
              std::string::npos);
    }
}

TEST_CASE("R9: a standby with a stopped or differently configured HAProxy makes no single point by design") {
    Pair pair;
    auto& standby = pair.balancers["lb-02"];
    pair.site.deployment_ms = 60'000;
    for (auto& [host, one] : pair.balancers) {
        one.inventory["haproxy"] = "aa  /etc/haproxy/haproxy.cfg\n";
    }
    SECTION("HAProxy is down, and has neither a listener nor statistics") {
        pair.rounds(20);
        standby.haproxy = false;
    }
    SECTION("another configuration") {
        standby.inventory["haproxy"] = "bb  /etc/haproxy/haproxy.cfg\n";
    }
    pair.rounds(20);
    REQUIRE(pair.find("R9") != nullptr);
    CHECK(pair.find("R1") == nullptr);
    standby.haproxy = true;
    standby.inventory["haproxy"] = "aa  /etc/haproxy/haproxy.cfg\n";
    pair.rounds(20);
    CHECK(pair.find("R9") == nullptr);
}

TEST_CASE("a load balancer without an agent leaves R1 suspected and raises no R9") {
    Pair pair;
    pair.rounds(10);
    pair.balancers["lb-02"].present = false;
    // Another agent reads its statistics.
    for (int i = 0; i < 16; ++i) {
        pair.samples.add("up",
                         {{"agent", "web-01"}, {"instance", "lb-02"}, {"job", "haproxy"}, {"via", "http"}});
        pair.rounds(0);
    }
    REQUIRE(pair.find("R1") != nullptr);
    CHECK(pair.find("R1")->confidence == Confidence::suspected);
    CHECK(pair.find("R9") == nullptr);
}

TEST_CASE("R8: two hosts or no host hold the address, but not during a move") {
    Pair pair;
    pair.rounds(40);
    SECTION("two hosts") {
        pair.balancers["lb-02"].holds = true;
        pair.rounds(10);
        CHECK(pair.find("R8") == nullptr);
        pair.rounds(30);
        REQUIRE(pair.find("R8") != nullptr);
        CHECK(pair.find("R8")->title == "lb-01 and lb-02 hold 10.77.0.100 at once");
        CHECK(pair.find("R8")->severity == Severity::critical);
        CHECK(pair.analyst->moment()->model.conflicts.size() == 1);
        pair.balancers["lb-02"].holds = false;
    }
    SECTION("no host") {
        pair.balancers["lb-01"].holds = false;
        pair.rounds(10);
        CHECK(pair.find("R8") == nullptr);
        pair.rounds(30);
        REQUIRE(pair.find("R8") != nullptr);
        CHECK(pair.find("R8")->title == "Nobody holds 10.77.0.100");
        pair.balancers["lb-02"].holds = true;
    }
    pair.rounds(10);
    CHECK(pair.find("R8") == nullptr);
}

TEST_CASE("R12: automatic failover between two databases needs a witness") {
    Watched site;
    const auto tell = [&] {
        for (const auto* host : {"web-01", "web-02"}) {
            const Labels labels{{"agent", host}, {"instance", host}, {"job", "keepalived"}};
            site.samples.add("keepalived_up", labels);
            auto instance = labels;
            instance.set("vrrp_instance", "db");
            site.samples.add("lapwing_vrrp_instance_info", instance);
            instance.set("address", "10.77.0.200");
            site.samples.add("lapwing_vrrp_address_info", instance);
        }
    };
    SECTION("without a witness") {
        tell();
        site.round();
        REQUIRE(site.find("R12") != nullptr);
        CHECK(site.find("R12")->subject == "10.77.0.200");
        CHECK(site.find("R12")->severity == Severity::medium);

        // keepalived no longer manages the address.
        for (const auto* host : {"web-01", "web-02"}) {
            Labels labels{{"agent", host}, {"instance", host}, {"job", "keepalived"}};
            site.samples.add("keepalived_up", labels, 0);
            labels.set("vrrp_instance", "db");
            site.samples.end("lapwing_vrrp_instance_info", labels);
            labels.set("address", "10.77.0.200");
            site.samples.end("lapwing_vrrp_address_info", labels);
        }
        site.round();
        CHECK(site.find("R12") == nullptr);
    }
    SECTION("with a silent keepalived") {
        tell();
        site.round();
        site.samples.now += 120'000;
        site.round();
        REQUIRE(site.find("R12") != nullptr);
        CHECK(site.find("R12")->confidence == Confidence::unknown);
    }
    SECTION("with a witness") {
        site.site.witness = "monitor";
        tell();
        site.round();
        CHECK(site.find("R12") == nullptr);
    }
}

TEST_CASE("R14: the servers of a pool differ for longer than a deployment takes") {
    Watched site;
    site.site.deployment_ms = 60'000;
    const auto tell = [&](const std::string& host, const char* set, const std::string& text) {
        REQUIRE(site.samples.store().putDocument({"of " + text, "inventory", host, site.samples.now, text}));
        site.samples.add("lapwing_inventory_info", {{"agent", host},
                                                    {"instance", host},
                                                    {"job", "inventory"},
                                                    {"set", set},
                                                    {"digest", "of " + text}});
    };
    const auto end = [&](const std::string& host, const char* set, const std::string& text) {
        site.samples.end("lapwing_inventory_info", {{"agent", host},
                                                    {"instance", host},
                                                    {"job", "inventory"},
                                                    {"set", set},
                                                    {"digest", "of " + text}});
    };
    const std::string before = "11  /srv/app/a.py\n22  /srv/app/b.py\n";
    const std::string after = "33  /srv/app/a.py\n22  /srv/app/b.py\n44  /srv/app/c.py\n";
    const auto both = [&](const std::string& first, const std::string& second) {
        tell("web-01", "application", first);
        tell("web-02", "application", second);
        tell("web-01", "packages", "1.22  nginx\n");
        tell("web-02", "packages", second == before ? "1.22  nginx\n" : "1.24  nginx\n");
        site.round();
    };
    both(before, before);
    both(before, before);
    CHECK(site.find("R14") == nullptr);
    end("web-02", "application", before);
    end("web-02", "packages", "1.22  nginx\n");
    for (int i = 0; i < 4; ++i) {
        both(before, after);
        CHECK(site.find("R14") == nullptr);
    }
    for (int i = 0; i < 4; ++i) {
        both(before, after);
    }
    REQUIRE(site.find("R14") != nullptr);
    CHECK(site.find("R14")->subject == "web-01 and web-02");
    const auto& evidence = site.find("R14")->evidence;
    REQUIRE(evidence.size() == 2);
    CHECK(evidence[0].text == "application: /srv/app/a.py differs and /srv/app/c.py is on web-02 only");
    CHECK(evidence[1].text == "packages: nginx is 1.22 on web-01 and 1.24 on web-02");
    end("web-01", "application", before);
    end("web-01", "packages", "1.22  nginx\n");
    tell("web-01", "packages", "1.24  nginx\n");
    tell("web-02", "packages", "1.24  nginx\n");
    tell("web-01", "application", after);
    tell("web-02", "application", after);
    site.round();
    CHECK(site.find("R14") == nullptr);
}

TEST_CASE("R10: a name resolves to a single address that does not move") {
    Pair pair;
    pair.site.entry = {"https://www.example.org/"};
    std::vector<reach::Address> answer;
    pair.options.names = [&] { return evidence::Resolved{{"www.example.org", answer}}; };
    const auto address = [](const char* text) { return *reach::Address::parse(text); };
    SECTION("the address of one load balancer") {
        answer = {address("10.77.0.10")};
        pair.rounds(10);
        REQUIRE(pair.find("R10") != nullptr);
        CHECK(pair.find("R10")->subject == "www.example.org");
        CHECK(pair.find("R10")->severity == Severity::high);
        CHECK(pair.find("R10")->confidence == Confidence::confirmed);
        REQUIRE(pair.find("R1") != nullptr);
        CHECK(pair.find("R1")->severity == Severity::critical);
        const auto& edges = pair.analyst->moment()->model.edges;
        CHECK(std::any_of(edges.begin(), edges.end(), [](const auto& edge) {
            return edge.kind == topology::EdgeKind::resolves && edge.from == "name@www.example.org" &&
                   edge.to == "address@10.77.0.10";
        }));
        SECTION("until the name has two addresses") {
            answer = {address("10.77.0.10"), address("10.77.0.13")};
        }
        SECTION("until the name is no longer an entry") {
            pair.site.entry = {"http://10.77.0.10/"};
            pair.analyst.reset();
        }
        pair.rounds(10);
        CHECK(pair.find("R10") == nullptr);
    }
    SECTION("an address that moves") {
        answer = {address(kEntry)};
        for (auto& [host, one] : pair.balancers) {
            one.port = "443";
        }
        pair.rounds(10);
        CHECK(pair.find("R10") == nullptr);
        CHECK(pair.find("R1") == nullptr);
    }
    SECTION("the addresses of two load balancers: availability depends on the client") {
        answer = {address("10.77.0.10"), address("10.77.0.13")};
        pair.rounds(10);
        CHECK(pair.find("R10") == nullptr);
        CHECK(pair.find("R9") == nullptr);
        REQUIRE(pair.find("R1") != nullptr);
        CHECK(pair.find("R1")->confidence == Confidence::suspected);
    }
    SECTION("an address of no known host") {
        answer = {address("192.0.2.1")};
        pair.rounds(10);
        CHECK(pair.find("R10") == nullptr);
    }
    SECTION("without an answer") {
        pair.options.names = [] { return evidence::Resolved{}; };
        pair.rounds(10);
        CHECK(pair.find("R10") == nullptr);
    }
}

TEST_CASE("names are resolved in the background, and an answer outlives a failure") {
    CHECK(evidence::namesOf({"http://10.0.0.1/", "https://www.example.org:8443/x", "http://[fd00::1]:80/"}) ==
          std::vector<std::string>{"www.example.org"});
    // The thread may outlive the test.
    const auto calls = std::make_shared<std::atomic<int>>(0);
    const evidence::EntryNames names(
        {"a", "b"}, std::chrono::milliseconds(5),
        [calls](const std::string& name) -> Expected<std::vector<reach::Address>> {
            ++*calls;
            if (name == "b" || *calls > 2) {
                return fail(ErrorKind::not_found, "none");
            }
            return std::vector{*reach::Address::parse("10.0.0.1")};
        });
    while (*calls < 8) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const auto found = names.current();
    REQUIRE(found.size() == 1);
    CHECK(found.at("a").front().toString() == "10.0.0.1");
    const auto local = evidence::EntryNames::resolve("localhost");
    REQUIRE(local);
    CHECK(local->front().isLoopback());
    CHECK(!evidence::EntryNames::resolve("no-such-name.invalid"));
}

TEST_CASE("connections to a database identify its clients") {
    Watched site;
    const auto connects = [&](const char* host, const char* address, double count) {
        site.samples.add(
            "lapwing_outgoing_connections",
            {{"agent", host}, {"instance", host}, {"job", "sockets"}, {"address", address}, {"port", "3306"}},
            count);
    };
    connects("web-01", "127.0.0.1", 2);
    connects("web-02", "10.77.0.11", 3);
    connects("web-02", "10.99.0.1", 3);
    // An application on a separate host.
    site.samples.add("lapwing_agent_address_info", Labels{{"agent", "app-01"},
                                                          {"instance", "app-01"},
                                                          {"address", "10.77.0.31"},
                                                          {"family", "ipv4"},
                                                          {"interface", "eth0"}});
    site.samples.add("lapwing_listener_info", Labels{{"agent", "app-01"},
                                                     {"instance", "app-01"},
                                                     {"protocol", "tcp"},
                                                     {"family", "ipv4"},
                                                     {"address", "0.0.0.0"},
                                                     {"port", "3306"},
                                                     {"process", "gunicorn"}});
    connects("web-01", "10.77.0.31", 1);
    site.round();
    CHECK(site.edge("web@web-01", "app@app-01").kind == topology::EdgeKind::proxies);
    std::set<std::pair<std::string, std::string>> queries;
    for (const auto& edge : site.analyst->moment()->model.edges) {
        if (edge.kind == topology::EdgeKind::queries) {
            queries.emplace(edge.from, edge.to);
        }
    }
    CHECK(queries == std::set<std::pair<std::string, std::string>>{{"app@web-01", "mysql@web-01"},
                                                                   {"app@web-02", "mysql@web-01"}});
}

TEST_CASE("the firewall's remedies allow VRRP and both load balancers, even before the first attempt") {
    Pair pair;
    pair.rounds(10);
    std::map<std::string, std::string> remedies;
    for (const auto& finding : pair.findings) {
        if (finding.id == "F1" || finding.id == "F2") {
            remedies[finding.subject] = finding.remedy;
        }
    }
    const auto says = [&](const char* subject, const char* line) {
        INFO(subject << ": " << remedies[subject]);
        CHECK(remedies[subject].find(line) != std::string::npos);
    };
    says("lb-01", "ip saddr 10.77.0.13 meta l4proto 112 accept comment \"keepalived of lb-02\"");
    says("lb-02", "ip saddr 10.77.0.10 meta l4proto 112 accept comment \"keepalived of lb-01\"");
    says("mysql@web-01", "ip saddr { 10.77.0.10, 10.77.0.12, 10.77.0.13, 10.77.0.100 } tcp dport 80 accept");
    CHECK(pair.find("F9") == nullptr);

    pair.balancers["lb-02"].ruleset = kDropsVrrp;
    pair.rounds(10);
    REQUIRE(pair.find("F9") != nullptr);
    CHECK(pair.find("F9")->subject == "vrrp@lb-02");
    CHECK(pair.find("F9")->remedy.find(
              "nft insert rule inet t in handle 7 ip saddr 10.77.0.10 meta l4proto 112 accept") !=
          std::string::npos);
}
