// Findings F1 to F9, F12 and F13. Each remedy, applied as written, must clear its finding and close no flow
// that the site needs.
#include <algorithm>

#include "common/reach/ruleset.h"
#include "tests/unit/analysis/nft_rules.h"
#include "tests/unit/analysis/site_samples.h"

using namespace lapwing;
using namespace lapwing::analysis;
using lapwing::test::listed;
using lapwing::test::SiteSamples;
using lapwing::test::stepsOf;

namespace {

const reach::Host kHost{{{"eth0", *reach::Address::parse("10.77.0.11"), 24},
                         {"eth0", *reach::Address::parse("10.77.0.111"), 24},
                         {"eth0", *reach::Address::parse("2001:db8:77::11"), 64},
                         {"docker0", *reach::Address::parse("172.17.0.1"), 16}},
                        true,
                        true};

/// web-01 with a ruleset, as observed by web-02. The rest of the site is quiet.
class Scene {
  public:
    Scene() : site(SiteSamples::site()) {}

    std::vector<Finding> findings(const std::string& nft_json,
                                  const std::vector<reach::IptablesSave>& saves = {}) {
        SiteSamples samples;
        const auto listing = reach::listingOf(nft_json, saves, {}, kHost);
        const auto ruleset = reach::Ruleset::parse(listing);
        REQUIRE(ruleset);
        samples.web("web-01", "10.77.0.11", "10.77.0.111", listing);
        samples.web("web-02", "10.77.0.12", "10.77.0.112", R"({"nftables":[]})");
        const auto own = [](std::vector<Label> labels) {
            labels.push_back({"agent", "web-01"});
            labels.push_back({"instance", "web-01"});
            return Labels(std::move(labels));
        };
        samples.add("lapwing_agent_address_info",
                    own({{"address", "2001:db8:77::11"}, {"family", "ipv6"}, {"interface", "eth0"}}));
        for (const auto& [family, port, process] : listeners) {
            samples.add("lapwing_listener_info",
                        own({{"protocol", "tcp"},
                             {"family", family},
                             {"address", std::string_view(family) == "ipv6" ? "::" : "0.0.0.0"},
                             {"port", port},
                             {"process", process}}));
        }
        for (const auto family : {reach::Family::ipv4, reach::Family::ipv6}) {
            reach::Packet packet;
            packet.source = reach::AddressRange::of(ruleset->stranger(family));
            packet.destination =
                *reach::Address::parse(family == reach::Family::ipv4 ? "10.77.0.11" : "2001:db8:77::11");
            packet.port = ruleset->unusedPort({});
            packet.interface = "eth0";
            samples.add("lapwing_firewall_default_deny",
                        own({{"job", "firewall"}, {"family", reach::familyName(family)}}),
                        ruleset->evaluate(packet).verdict == reach::Verdict::must_block ? 1 : 0);
        }
        samples.control("web-02", "web-01", true, "10.77.0.11");
        samples.attempt("web-02", "web-01", "10.77.0.11", "3306", "10.77.0.12", "main", "silent");
        for (const auto& [port, result, greeting] : attempts) {
            samples.attempt("web-02", "web-01", "10.77.0.11", port, "10.77.0.112", "second", result,
                            greeting);
        }
        if (ssh_takes_passwords) {
            samples.add("lapwing_ssh_password_authentication",
                        {{"agent", "web-01"}, {"instance", "web-01"}, {"job", "firewall"}});
        }
        samples.balancer();
        if (more) {
            more(samples);
        }
        samples.write();
        Analyst analyst(samples.store(), site);
        REQUIRE(analyst.run(samples.now));
        return analyst.findings();
    }

    Site site;
    std::vector<std::tuple<const char*, const char*, const char*>> listeners;
    std::vector<std::tuple<const char*, const char*, const char*>> attempts;
    bool ssh_takes_passwords = false;
    std::function<void(SiteSamples&)> more;  ///< adds samples of the test's own
};

const Finding* find(const std::vector<Finding>& findings, const std::string& id, const std::string& subject) {
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const auto& one) { return one.id == id && one.subject == subject; });
    return found == findings.end() ? nullptr : &*found;
}

/// Loads the remedy beside the present rules, as its text says. Expects it to clear the finding and to block
/// no flow.
void ends(Scene& scene, const std::string& rules, const Finding& finding) {
    const auto steps = stepsOf(finding.remedy);
    INFO(finding.remedy);
    const auto after = scene.findings(listed(rules + "\n" + steps.rules, steps.commands));
    CHECK(find(after, finding.id, finding.subject) == nullptr);
    for (const auto& other : after) {
        if (other.id == "F9") {
            FAIL_CHECK(other.title);
        }
    }
}

}  // namespace

TEST_CASE("F1, F2 and F4: the proposed ruleset closes an open host") {
    Scene scene;
    scene.attempts = {{"80", "open", nullptr}};
    const auto before = scene.findings(listed(""));
    for (const auto& [id, subject] :
         {std::pair("F1", "web-01"), std::pair("F2", "mysql@web-01"), std::pair("F4", "nginx@web-01")}) {
        INFO(id);
        const auto* finding = find(before, id, subject);
        REQUIRE(finding != nullptr);
        CHECK_FALSE(finding->not_assessed.empty());
        Scene closed;
        ends(closed, "", *finding);
    }
    CHECK(find(before, "F4", "nginx@web-01")->confidence == Confidence::confirmed);
    CHECK(find(before, "F4", "nginx@web-01")->severity == Severity::high);
    // Declared clients may connect.
    scene.site.allow = {{"http", {"0.0.0.0/0"}}};
    CHECK(find(scene.findings(listed("")), "F4", "nginx@web-01") == nullptr);
}

TEST_CASE("a connection that opens before the rules drop its data is no way in") {
    // Without a rule for established connections, the third packet is dropped.
    const std::string forgetful =
        "table inet f { chain i { type filter hook input priority 0; policy drop; "
        "ct state new tcp dport { 80, 3306 } accept; }; }";
    Scene scene;
    scene.attempts = {{"80", "open", nullptr}, {"3306", "open", nullptr}};
    const auto opened = scene.findings(listed(forgetful));
    CHECK(find(opened, "F2", "mysql@web-01") == nullptr);
    CHECK(find(opened, "F4", "nginx@web-01") == nullptr);
    CHECK(find(opened, "F1", "web-01") == nullptr);
    // A greeting is data.
    scene.attempts = {{"3306", "open", "accepted"}};
    const auto greeted = scene.findings(listed(forgetful));
    const auto* finding = find(greeted, "F2", "mysql@web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->confidence == Confidence::suspected);
}

TEST_CASE("F14 names the rules and says how many answers they leave open") {
    Scene scene;
    scene.more = [&](SiteSamples& samples) {
        samples.add(
            "lapwing_firewall_unknown_info",
            {{"agent", "web-01"}, {"instance", "web-01"}, {"job", "firewall"}, {"reason", "another part"}});
    };
    const auto findings =
        scene.findings(listed("table inet f { chain i { type filter hook input priority 0; policy accept; "
                              "tcp dport 80 meta cpu 3 drop; }; }"));
    const auto* finding = find(findings, "F14", "web-01");
    REQUIRE(finding != nullptr);
    std::string all;
    for (const auto& each : finding->evidence) {
        all += each.text + "\n";
    }
    INFO(all);
    CHECK(all.find(" answers about its listeners are open") != std::string::npos);
    CHECK(all.find("inet f i handle 2: meta cpu: leaves ") != std::string::npos);
    CHECK(all.find(" open (tcp/80)") != std::string::npos);
    CHECK(all.find("another part") != std::string::npos);
}

TEST_CASE("F3: the severity depends on the answer of HAProxy's statistics") {
    Scene scene;
    scene.listeners = {{"ipv4", "8404", "haproxy"}};
    scene.attempts = {{"8404", "open", "haproxy_stats"}};
    const auto open = scene.findings(listed(""));
    const auto* finding = find(open, "F3", "haproxy@web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::high);
    CHECK(finding->confidence == Confidence::confirmed);
    scene.attempts = {{"8404", "open", "haproxy_stats_admin"}};
    CHECK(find(scene.findings(listed("")), "F3", "haproxy@web-01")->severity == Severity::critical);
    scene.attempts = {{"8404", "open", "http_401"}};
    const auto asking = scene.findings(listed(""));
    CHECK(find(asking, "F3", "haproxy@web-01")->severity == Severity::medium);
    CHECK(find(asking, "F3", "haproxy@web-01")->title.find("try passwords") != std::string::npos);
    scene.attempts.clear();
    ends(scene, "", *finding);
}

TEST_CASE("F3: attempts alone judge a load balancer without an agent, and the remedy closes no other port") {
    SiteSamples samples;
    Analyst analyst(samples.store(), SiteSamples::site());
    const auto round = [&](const char* result, const char* greeting) {
        samples.now += 400'000;  // so that earlier samples are out of the window
        samples.web("web-01", "10.77.0.11", "10.77.0.111", R"({"nftables":[]})");
        samples.web("web-02", "10.77.0.12", "10.77.0.112", R"({"nftables":[]})");
        samples.balancer();
        samples.control("web-02", "lb-01", true, "10.77.0.10");
        for (const auto* port : {"8404", "9000"}) {
            if (result != nullptr) {
                samples.attempt("web-02", "lb-01", "10.77.0.10", port, "10.77.0.112", "second", result,
                                greeting, "haproxy-stats");
            }
        }
        samples.write();
        REQUIRE(analyst.run(samples.now));
        const auto findings = analyst.findings();
        const auto* found = find(findings, "F3", "haproxy@lb-01");
        return found == nullptr ? std::nullopt : std::optional(*found);
    };
    const auto open = round("open", "haproxy_stats");
    REQUIRE(open);
    CHECK(open->severity == Severity::high);
    CHECK(open->confidence == Confidence::confirmed);

    const auto ruleset =
        reach::Ruleset::parse(reach::listingOf(listed(stepsOf(open->remedy).rules), {}, {}, kHost));
    REQUIRE(ruleset);
    const auto verdict = [&](const char* from, int port) {
        reach::Packet packet;
        packet.source = *reach::AddressRange::parse(from);
        packet.destination = *reach::Address::parse(
            packet.source.family == reach::Family::ipv4 ? "10.77.0.11" : "2001:db8:77::11");
        packet.port = static_cast<std::uint16_t>(port);
        packet.interface = "eth0";
        return ruleset->evaluate(packet).verdict;
    };
    CHECK(verdict("192.0.2.1", 8404) == reach::Verdict::must_block);
    CHECK(verdict("192.0.2.1", 9000) == reach::Verdict::must_block);
    CHECK(verdict("2001:db8::1", 8404) == reach::Verdict::must_block);
    CHECK(verdict("10.77.0.12", 8404) == reach::Verdict::must_reach);
    CHECK(verdict("192.0.2.1", 80) == reach::Verdict::must_reach);

    const auto untried = round(nullptr, nullptr);
    REQUIRE(untried);
    CHECK(untried->confidence == Confidence::unknown);
    CHECK_FALSE(round("silent", nullptr));
    CHECK(round("open", "haproxy_stats"));
    CHECK_FALSE(round("refused", nullptr));
}

TEST_CASE("F5: ssh from anywhere, until the site declares its clients") {
    Scene scene;
    scene.listeners = {{"ipv4", "22", "sshd"}};
    const std::string rules =
        "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established "
        "accept; tcp "
        "dport 22 accept; ip saddr { 10.77.0.10, 10.77.0.12 } tcp dport { 80, 3306 } accept; }; }";
    const auto before = scene.findings(listed(rules));
    REQUIRE(find(before, "F5", "ssh@web-01") != nullptr);
    CHECK(find(before, "F5", "ssh@web-01")->severity == Severity::medium);
    const auto& open = find(before, "F5", "ssh@web-01")->not_assessed;
    CHECK(std::any_of(open.begin(), open.end(),
                      [](const auto& one) { return one.starts_with("whether it takes passwords"); }));
    scene.ssh_takes_passwords = true;
    const auto guessable = scene.findings(listed(rules));
    REQUIRE(find(guessable, "F5", "ssh@web-01") != nullptr);
    CHECK(find(guessable, "F5", "ssh@web-01")->severity == Severity::high);
    CHECK(find(guessable, "F5", "ssh@web-01")->remedy.find("PasswordAuthentication no") != std::string::npos);
    scene.site.allow = {{"ssh", {"192.0.2.0/24"}}};
    const auto declared = scene.findings(listed(rules));
    REQUIRE(find(declared, "F5", "ssh@web-01") != nullptr);
    ends(scene, rules, *find(declared, "F5", "ssh@web-01"));
    scene.site.allow = {{"ssh", {"0.0.0.0/0", "::/0"}}};
    CHECK(find(scene.findings(listed(rules)), "F5", "ssh@web-01") == nullptr);
}

TEST_CASE("F6: closed over IPv4, open over IPv6") {
    Scene scene;
    scene.listeners = {{"ipv6", "8080", "java"}};
    const std::string rules =
        "table ip f { chain i { type filter hook input priority 0; policy drop; ct state established accept; "
        "ip saddr "
        "{ 10.77.0.10, 10.77.0.12 } tcp dport { 80, 3306 } accept; }; }";
    const auto before = scene.findings(listed(rules));
    const auto* finding = find(before, "F6", "web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::high);
    ends(scene, rules, *finding);
}

TEST_CASE("F7: a published port bypasses the input rules") {
    Scene scene;
    const std::string rules =
        "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established "
        "accept; ip saddr "
        "{ 10.77.0.10, 10.77.0.12 } tcp dport { 80, 3306 } accept; }; }\n"
        "table ip nat { chain p { type nat hook prerouting priority dstnat; tcp dport 13306 dnat to "
        "172.17.0.2:3306; }; }";
    const auto before = scene.findings(listed(rules));
    const auto* finding = find(before, "F7", "tcp/13306@web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::high);
    CHECK(finding->title.find("172.17.0.2:3306") != std::string::npos);
    ends(scene, rules, *finding);
    // A declared client keeps its access.
    scene.site.allow = {{"tcp/13306", {"192.0.2.7/32"}}};
    const auto declared = scene.findings(listed(rules));
    REQUIRE(find(declared, "F7", "tcp/13306@web-01") != nullptr);
    const auto steps = stepsOf(find(declared, "F7", "tcp/13306@web-01")->remedy);
    auto after = reach::Ruleset::parse(reach::listingOf(listed(rules + "\n" + steps.rules), {}, {}, kHost));
    REQUIRE(after);
    reach::Packet packet;
    packet.destination = kHost.interfaces[0].address;
    packet.interface = "eth0";
    packet.port = 13306;
    packet.source = *reach::AddressRange::parse("192.0.2.7");
    CHECK(after->evaluate(packet).verdict == reach::Verdict::must_reach);
    packet.source = *reach::AddressRange::parse("192.0.2.8");
    CHECK(after->evaluate(packet).verdict == reach::Verdict::must_block);
}

TEST_CASE("F8: some ports are blocked, and the default accepts") {
    Scene scene;
    const std::string rules =
        "table inet f { chain i { type filter hook input priority 0; policy accept; tcp dport { 23, 111 } "
        "drop; }; }";
    const auto before = scene.findings(listed(rules));
    const auto* finding = find(before, "F8", "web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::medium);
    ends(scene, rules, *finding);
    CHECK(find(scene.findings(listed("")), "F8", "web-01") == nullptr);
}

TEST_CASE("F9: a policy or a rule blocks a flow that the site needs") {
    Scene scene;
    const std::string policy =
        "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established "
        "accept; ip saddr "
        "10.77.0.12 tcp dport 3306 accept; }; }";
    const std::string rule =
        "table inet f { chain i { type filter hook input priority 0; policy accept; ip saddr 10.77.0.0/24 "
        "tcp dport "
        "3306 drop; }; }";
    const auto by_policy = scene.findings(listed(policy));
    const auto* web = find(by_policy, "F9", "tcp/80@web-01");
    REQUIRE(web != nullptr);
    CHECK(web->severity == Severity::high);
    CHECK(find(by_policy, "F9", "tcp/3306@web-01") == nullptr);
    ends(scene, policy, *web);
    const auto by_rule = scene.findings(listed(rule));
    const auto* database = find(by_rule, "F9", "tcp/3306@web-01");
    REQUIRE(database != nullptr);
    CHECK(database->confidence == Confidence::confirmed);  // a silent attempt with an answering control
    ends(scene, rule, *database);
}

TEST_CASE("F12: legacy iptables rules beside nftables rules") {
    Scene scene;
    const std::string rules =
        "table inet f { chain i { type filter hook input priority 0; policy accept; counter; }; }";
    const reach::IptablesSave legacy{
        reach::Family::ipv4, true,
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n"};
    const auto findings = scene.findings(listed(rules), {legacy});
    const auto* mixed = find(findings, "F12", "web-01");
    REQUIRE(mixed != nullptr);
    CHECK(mixed->severity == Severity::medium);
    CHECK(mixed->remedy.find("nft -f /etc/nftables.d/legacy.nft && for v in '' 6; do\n") !=
          std::string::npos);
    CHECK(find(scene.findings(listed(rules)), "F12", "web-01") == nullptr);
    CHECK(find(scene.findings(listed(""), {legacy}), "F12", "web-01") == nullptr);
}

TEST_CASE("F13: outgoing connections to anywhere") {
    Scene scene;
    const auto before = scene.findings(listed(""));
    const auto* finding = find(before, "F13", "web-01");
    REQUIRE(finding != nullptr);
    CHECK(finding->severity == Severity::low);
    ends(scene, "", *finding);
    // Replication and DNS are still allowed.
    const auto after = reach::Ruleset::parse(listed(stepsOf(finding->remedy).rules));
    REQUIRE(after);
    reach::Packet packet;
    packet.outgoing = true;
    packet.source = *reach::AddressRange::parse("10.77.0.11");
    packet.destination = *reach::Address::parse("10.77.0.12");
    packet.port = 3306;
    packet.interface = "eth0";
    CHECK(after->evaluate(packet).verdict == reach::Verdict::must_reach);
    packet.destination = *reach::Address::parse("9.9.9.9");
    CHECK(after->evaluate(packet).verdict == reach::Verdict::must_block);
    packet.port = 53;
    packet.protocol = reach::Protocol::udp;
    CHECK(after->evaluate(packet).verdict == reach::Verdict::must_reach);
}

namespace {

bool isIncomplete(const Finding& finding) {
    return finding.remedy.substr(0, finding.remedy.find('\n')).find("Incomplete") != std::string::npos;
}

bool says(const Finding& finding, const std::string& text) {
    return finding.remedy.find(text) != std::string::npos;
}

void client(SiteSamples& samples, const char* port, const char* address, double count = 2) {
    samples.own("web-01", "lapwing_incoming_connections",
                {{"job", "sockets"}, {"port", port}, {"address", address}}, count);
}

/// A server of lb-01, as its statistics show it.
void server(SiteSamples& samples, const char* name, const char* state, const char* address) {
    const Labels labels{{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"},
                        {"proxy", "more"},   {"server", name},      {"via", "http"}};
    auto status = labels;
    status.set("state", state);
    samples.add("haproxy_server_status", status);
    auto info = labels;
    info.set("address", address);
    samples.add("lapwing_haproxy_server_info", info);
}

const Finding& finding(const std::vector<Finding>& findings, const std::string& id,
                       const std::string& subject) {
    const auto* found = find(findings, id, subject);
    INFO(id << " " << subject);
    REQUIRE(found != nullptr);
    return *found;
}

}  // namespace

TEST_CASE("F4: a web server beside HAProxy, and an application that is not gunicorn") {
    SiteSamples samples;
    samples.agent("web-01", listed(""));
    samples.address("web-01", "10.77.0.11");
    const auto* process = GENERATE("nginx", "node", "uwsgi_python3");
    const bool loopback = GENERATE(false, true);
    samples.listener("web-01", reach::Family::ipv4, "0.0.0.0", "80", "haproxy");
    samples.listener("web-01", reach::Family::ipv4, loopback ? "127.0.0.1" : "0.0.0.0", "8080", process);
    Labels labels{{"agent", "web-01"}, {"instance", "web-01"}, {"job", "haproxy"},
                  {"proxy", "web"},    {"server", "here"},     {"via", "socket"}};
    samples.add("up", {{"agent", "web-01"}, {"instance", "web-01"}, {"job", "haproxy"}, {"via", "socket"}});
    auto status = labels;
    status.set("state", "UP");
    samples.add("haproxy_server_status", status);
    labels.set("address", "127.0.0.1:8080");
    samples.add("lapwing_haproxy_server_info", labels);
    samples.write();
    Analyst analyst(samples.store(), {}, {});
    REQUIRE(analyst.run(samples.now + 1'000));
    const auto subject = std::string(std::string(process) == "nginx" ? "nginx" : "app") + "@web-01";
    INFO(process);
    const auto findings = analyst.findings();
    CHECK((find(findings, "F4", subject) != nullptr) == !loopback);
}

TEST_CASE("a remedy keeps the clients that are connected now, whatever they are") {
    Scene scene;
    scene.listeners = {{"ipv4", "9000", "node"}, {"ipv6", "9000", "node"}};
    scene.more = [](SiteSamples& samples) {
        client(samples, "9000", "10.77.0.40");  // a host without an agent, NAT, or a TCP proxy
        client(samples, "9000", "fd00::40");
        client(samples, "22", "");  // ssh is open anyway
    };
    const auto before = scene.findings(listed(""));
    const auto& open = finding(before, "F1", "web-01");
    INFO(open.remedy);
    CHECK(says(open, "ip saddr 10.77.0.40 tcp dport 9000 accept"));
    CHECK(says(open, "ip6 saddr fd00::40 tcp dport 9000 accept"));
    CHECK_FALSE(isIncomplete(open));
}

TEST_CASE("a client of the database that is not declared is named, and neither let in nor cut in silence") {
    Scene scene;
    scene.more = [](SiteSamples& samples) { client(samples, "3306", "10.77.0.40"); };
    const auto before = scene.findings(listed(""));
    for (const auto* id : {"F1", "F2", "F4"}) {
        const auto& open = finding(before, id,
                                   id == std::string("F1")   ? "web-01"
                                   : id == std::string("F2") ? "mysql@web-01"
                                                             : "nginx@web-01");
        INFO(open.remedy);
        CHECK(isIncomplete(open));
        CHECK(says(open, "whether 10.77.0.40, which is connected to tcp/3306, should stay"));
        CHECK_FALSE(says(open, "saddr 10.77.0.40"));
    }
    scene.site.allow = {{"mysql", {"10.77.0.40/32"}}};
    const auto declared = scene.findings(listed(""));
    CHECK_FALSE(isIncomplete(finding(declared, "F2", "mysql@web-01")));
    CHECK(says(finding(declared, "F2", "mysql@web-01"), "10.77.0.40"));
}

TEST_CASE("clients whose addresses are not reported make a remedy incomplete") {
    Scene scene;
    scene.more = [](SiteSamples& samples) { client(samples, "3306", "", 3); };
    const auto before = scene.findings(listed(""));
    CHECK(isIncomplete(finding(before, "F2", "mysql@web-01")));
    CHECK(says(finding(before, "F2", "mysql@web-01"),
               "which of the 3 clients with other addresses that are connected to tcp/3306 now should stay"));
}

TEST_CASE("an agent's attempt is no client of the database") {
    Scene scene;
    scene.attempts = {{"3306", "open", nullptr}};  // from 10.77.0.112
    scene.more = [](SiteSamples& samples) { client(samples, "3306", "10.77.0.112", 1); };
    const auto before = scene.findings(listed(""));
    CHECK_FALSE(isIncomplete(finding(before, "F2", "mysql@web-01")));
    scene.more = [](SiteSamples& samples) { client(samples, "3306", "10.77.0.112", 5); };
    const auto pool = scene.findings(listed(""));
    CHECK(isIncomplete(finding(pool, "F2", "mysql@web-01")));
}

TEST_CASE("a load balancer of which only the connections show keeps its way in") {
    Scene scene;
    scene.site.entry = {"http://www.example.org/"};
    scene.listeners = {{"ipv4", "8080", "java"}};
    scene.more = [](SiteSamples& samples) {
        server(samples, "s1", "UP", "");
        client(samples, "80", "10.77.0.10");
        client(samples, "8080", "10.77.0.10");
    };
    const auto before = scene.findings(listed(""));
    const auto& open = finding(before, "F4", "nginx@web-01");
    INFO(open.remedy);
    CHECK(isIncomplete(open));
    CHECK(says(open, "10.77.0.10"));
    for (const auto* port : {"80", "8080"}) {
        CHECK((says(open, std::string("ip saddr 10.77.0.10 tcp dport ") + port + " accept") ||
               says(open, std::string("ip saddr { 10.77.0.10, 10.77.0.12 } tcp dport ") + port + " accept")));
    }
}

TEST_CASE("servers of a load balancer: free slots, names that do not resolve, Unix sockets") {
    Scene scene;
    scene.more = [](SiteSamples& samples) {
        server(samples, "srv1", "UP", "10.77.0.11:80");
        server(samples, "srv2", "MAINT", "");  // a free slot of a server-template
        server(samples, "local", "UP", "unix");
        server(samples, "abstract", "UP", "abns@app");
    };
    const auto before = scene.findings(listed(""));
    INFO(finding(before, "F4", "nginx@web-01").remedy);
    CHECK_FALSE(isIncomplete(finding(before, "F4", "nginx@web-01")));
    scene.more = [](SiteSamples& samples) { server(samples, "s9", "UP", ""); };
    const auto unresolved = scene.findings(listed(""));
    CHECK(isIncomplete(finding(unresolved, "F4", "nginx@web-01")));
    CHECK(says(finding(unresolved, "F4", "nginx@web-01"), "(its name does not resolve)"));
}

TEST_CASE("F2: a load balancer in TCP mode is a client of the database") {
    Scene scene;
    scene.more = [](SiteSamples& samples) { server(samples, "db", "UP", "10.77.0.11:3306"); };
    const auto before = scene.findings(listed(""));
    const auto& open = finding(before, "F2", "mysql@web-01");
    INFO(open.remedy);
    CHECK_FALSE(isIncomplete(open));
    CHECK(says(open, "10.77.0.10"));
    ends(scene, "", open);
}

TEST_CASE("F2 and F5: systemd holds the socket") {
    for (const auto& [port, process, unit] :
         {std::tuple("3306", "systemd", ""), std::tuple("13306", "mariadbd", "mariadb@shop.service"),
          std::tuple("13306", "socket-proxyd", "mysql.service")}) {
        INFO(port << " " << process << " " << unit);
        SiteSamples samples;
        samples.agent("web-01", R"({"nftables":[]})");
        samples.address("web-01", "10.77.0.11");
        samples.own("web-01", "lapwing_listener_info",
                    {{"protocol", "tcp"},
                     {"family", "ipv4"},
                     {"address", "0.0.0.0"},
                     {"port", port},
                     {"process", process},
                     {"unit", unit}});
        samples.listener("web-01", reach::Family::ipv4, "0.0.0.0", "22", "systemd");
        samples.write();
        Analyst analyst(samples.store(), SiteSamples::site());
        REQUIRE(analyst.run(samples.now));
        const auto findings = analyst.findings();
        CHECK(find(findings, "F2", "mysql@web-01") != nullptr);
        CHECK(find(findings, "F5", "ssh@web-01") != nullptr);
    }
}

TEST_CASE("a service is named by its program, its unit, its process, its port") {
    const auto named = [](const char* process, const char* unit, int port) {
        evidence::Listener listener;
        listener.protocol = evidence::Transport::tcp;
        listener.port = port;
        listener.process = process;
        listener.unit = unit;
        return listener.service();
    };
    CHECK(named("mariadbd", "mariadb.service", 3306) == "mysql");
    CHECK(named("sh", "mariadb@shop.service", 4000) == "mysql");
    CHECK(named("sshd", "each@.service", 22) == "ssh");
    CHECK(named("node", "shop.service", 9000) == "shop");
    CHECK(named("node", "shop@eu.service", 9000) == "shop@eu");
    CHECK(named("cat", "each@.service", 9000) == "each");
    CHECK(named("node", "", 9000) == "node");
    CHECK(named("", "", 9000) == "tcp/9000");
    CHECK(named("systemd", "", 9000) == "tcp/9000");
    CHECK(named("systemd", "", 3306) == "mysql");
    CHECK(named("node", "", 3306) == "node");
    CHECK(named("node", "shop.service", 3306) == "shop");
}

TEST_CASE("only a host's own agent tells its addresses, its listeners and its rules") {
    Scene scene;
    const auto honest = scene.findings(listed(""));
    scene.more = [](SiteSamples& samples) {
        const auto forged = [&](const char* metric, std::vector<Label> labels, double value) {
            labels.push_back({"agent", "web-02"});
            labels.push_back({"instance", "web-01"});
            samples.add(metric, Labels(std::move(labels)), value);
        };
        forged("lapwing_firewall_default_deny", {{"job", "zzz"}, {"family", "ipv4"}}, 1);
        forged("lapwing_firewall_default_deny", {{"job", "zzz"}, {"family", "ipv6"}}, 1);
        forged("lapwing_ruleset_info", {{"job", "zzz"}, {"digest", "none"}}, 1);
        forged("up", {{"job", "sockets"}}, 0);
        forged("up", {{"job", "firewall"}}, 0);
        forged("lapwing_agent_address_info",
               {{"job", "zzz"}, {"family", "ipv4"}, {"address", "10.77.0.99"}, {"interface", "eth0"}}, 1);
    };
    const auto lied = scene.findings(listed(""));
    REQUIRE(lied.size() == honest.size());
    for (const auto& each : honest) {
        INFO(each.id << " " << each.subject);
        const auto* same = find(lied, each.id, each.subject);
        REQUIRE(same != nullptr);
        CHECK(same->severity == each.severity);
        CHECK(same->confidence == each.confidence);
        CHECK(same->remedy == each.remedy);
    }
}

TEST_CASE("an agent that calls its host by another name makes no second host") {
    SiteSamples samples;
    samples.add("lapwing_agent_info", {{"agent", "web-01"}, {"instance", "web-O1"}, {"job", "agent"}});
    samples.web("web-01", "10.77.0.11", "10.77.0.111", R"({"nftables":[]})");
    samples.write();
    Analyst analyst(samples.store(), SiteSamples::site());
    REQUIRE(analyst.run(samples.now));
    for (const auto& each : analyst.findings()) {
        CHECK(each.subject.find("web-O1") == std::string::npos);
    }
}
