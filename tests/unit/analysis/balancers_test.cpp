#include <algorithm>

#include "collector/analysis/topology/what_if.h"
#include "tests/unit/analysis/watched_site.h"

// Load balancers other than HAProxy, and backends that are no web servers.

using namespace lapwing;
using namespace lapwing::analysis;

using test::kNoRules;
using test::server;
using test::SiteSamples;
using test::Watched;

namespace {

class ProxySite {
  public:
    ProxySite() {
        for (const auto& [host, address] :
             {std::pair("web-01", "10.77.0.11"), std::pair("web-02", "10.77.0.12")}) {
            samples.agent(host, kNoRules);
            samples.address(host, address);
            samples.own(host, "mysql_up", {{"job", "mysql"}});
            samples.own(host, "nginx_up", {{"job", "nginx"}});
            samples.listener(host, reach::Family::ipv4, "0.0.0.0", "80", "nginx");
            samples.listener(host, reach::Family::ipv4, "0.0.0.0", "3306", "mariadbd");
            samples.listener(host, reach::Family::ipv4, "127.0.0.1", "8000", "gunicorn");
            route(host, "127.0.0.1:8000", "127.0.0.1:8000");
        }
    }

    std::string next_upstream = "error timeout http_503";
    std::string max_fails = "1";
    void route(const char* host, const char* upstream, const char* address, const char* role = "active") {
        samples.own(host, "lapwing_nginx_route_info",
                    {{"job", "inventory"},
                     {"port", "80"},
                     {"server_names", ""},
                     {"default_server", "yes"},
                     {"upstream", upstream},
                     {"address", address},
                     {"role", role},
                     {"next_upstream", next_upstream},
                     {"max_fails", max_fails}});
    }

    /// The application of the host reads from the replica.
    void readsFromReplica(const char* host) {
        samples.own(host, "lapwing_outgoing_connections",
                    {{"job", "sockets"}, {"address", "10.77.0.12"}, {"port", "3306"}}, 3);
    }

    void balancer(const char* process) {
        samples.agent("lb-01", kNoRules);
        samples.address("lb-01", "10.77.0.10");
        samples.listener("lb-01", reach::Family::ipv4, "0.0.0.0", "80", process);
    }

    /// Clients of a web server's port 80, by its sockets.
    void clients(const char* host, const char* address, double count) {
        samples.own(host, "lapwing_incoming_connections",
                    {{"job", "sockets"}, {"address", address}, {"port", "80"}}, count);
    }

    void round() {
        samples.write();
        if (!analyst) {
            analyst.emplace(samples.store(), SiteSamples::site(), AnalystOptions{});
        }
        REQUIRE(analyst->run(samples.now + 1'000));
        samples.now += 10'000;
        findings = analyst->findings();
    }

    const Finding* find(const std::string& id, const std::string& subject) const {
        const auto found = std::find_if(findings.begin(), findings.end(), [&](const auto& each) {
            return each.id == id && each.subject == subject;
        });
        return found == findings.end() ? nullptr : &*found;
    }

    Truth reading(const std::vector<std::string>& failed) const {
        const auto answer = topology::whatIf(*analyst->moment(), failed, {});
        REQUIRE(answer);
        return answer->outcomes.front().after;
    }

    SiteSamples samples;
    std::optional<Analyst> analyst;
    std::vector<Finding> findings;
};

}  // namespace

TEST_CASE("an Nginx balancer is judged as HAProxy is") {
    ProxySite site;
    site.balancer("nginx");
    site.samples.own("lb-01", "nginx_up", {{"job", "nginx"}});
    site.route("lb-01", "web", "10.77.0.11:80");
    site.route("lb-01", "web", "10.77.0.12:80");
    site.round();
    REQUIRE(site.find("R1", "nginx@lb-01") != nullptr);
    CHECK(site.find("R1", "nginx@lb-01")->severity == Severity::critical);
    CHECK(site.find("R1", "nginx@lb-01")->title.find("Nginx") != std::string::npos);
    CHECK(site.find("R2", "lb-01/web") == nullptr);
    CHECK(site.find("F4", "nginx@web-01") != nullptr);
    CHECK(site.reading({"nginx@lb-01"}) == Truth::no);
    CHECK(site.reading({"web@web-01", "web@web-02"}) == Truth::no);
    CHECK(site.reading({"web@web-01"}) == Truth::yes);
    CHECK(site.reading({"web-02"}) == Truth::yes);
    // Failed writes may make Nginx pause the last server (tests/zoo/sites/nginx-balancer.yaml).
    CHECK(site.reading({"web-01"}) == Truth::unknown);

    site.samples.own("web-02", "nginx_up", {{"job", "nginx"}}, 0);
    site.round();
    for (const auto* id : {"R2", "R4"}) {
        INFO(id);
        REQUIRE(site.find(id, "lb-01/web") != nullptr);
        CHECK(site.find(id, "lb-01/web")->remedy.find("socat") == std::string::npos);
    }
    CHECK(site.reading({"web@web-01"}) == Truth::no);
    site.samples.own("web-02", "nginx_up", {{"job", "nginx"}}, 1);
    site.round();
    CHECK(site.find("R2", "lb-01/web") == nullptr);
    CHECK(site.find("R4", "lb-01/web") == nullptr);
}

TEST_CASE("whether failed writes make an Nginx balancer pause its servers is read from its configuration") {
    struct Row {
        const char* next_upstream;
        const char* max_fails;
        Truth without_primary;
        Truth without_its_host;
    };
    const auto row = GENERATE(Row{"error timeout", "1", Truth::yes, Truth::unknown},
                              Row{"off", "3", Truth::yes, Truth::unknown},
                              Row{"error timeout http_403 http_404", "1", Truth::yes, Truth::unknown},
                              Row{"error http_502", "1", Truth::unknown, Truth::unknown},
                              Row{"error timeout http_500", "0", Truth::yes, Truth::yes},
                              Row{"", "", Truth::unknown, Truth::unknown});
    CAPTURE(row.next_upstream, row.max_fails);
    ProxySite site;
    site.next_upstream = row.next_upstream;
    site.max_fails = row.max_fails;
    site.balancer("nginx");
    site.samples.own("lb-01", "nginx_up", {{"job", "nginx"}});
    site.route("lb-01", "web", "10.77.0.11:80");
    site.route("lb-01", "web", "10.77.0.12:80");
    site.readsFromReplica("web-01");
    site.readsFromReplica("web-02");
    site.round();
    CHECK(site.reading({"mysql@web-01"}) == row.without_primary);
    CHECK(site.reading({"web-01"}) == row.without_its_host);
    // Whether the applications read from another database then is not known.
    CHECK(site.reading({"mysql@web-02"}) == Truth::unknown);
}

TEST_CASE("an Nginx balancer with a backup, and with a server that is switched off") {
    ProxySite site;
    site.balancer("nginx");
    site.samples.own("lb-01", "nginx_up", {{"job", "nginx"}});
    site.route("lb-01", "web", "10.77.0.11:80");
    const auto* role = GENERATE("backup", "down");
    site.route("lb-01", "web", "10.77.0.12:80", role);
    site.round();
    const bool backup = std::string(role) == "backup";
    CHECK((site.find("R2", "lb-01/web") == nullptr) == backup);
    CHECK(site.reading({"web@web-01"}) == (backup ? Truth::yes : Truth::no));
}

TEST_CASE("any program that spreads the site's requests is a load balancer") {
    ProxySite site;
    const auto* process = GENERATE("apache2", "envoy", "my-proxy");
    site.balancer(process);
    site.clients("web-01", "10.77.0.10", 9);
    site.clients("web-02", "10.77.0.10", 8);
    site.round();
    const auto* found = site.find("R1", "balancer@lb-01");
    REQUIRE(found != nullptr);
    CHECK(found->severity == Severity::critical);
    CHECK(found->title.find(std::string(process) == "apache2" ? "Apache"
                            : std::string(process) == "envoy" ? "Envoy"
                                                              : "my-proxy") != std::string::npos);
    CHECK(site.reading({"balancer@lb-01"}) == Truth::no);
    CHECK(site.reading({"web@web-01", "web@web-02"}) == Truth::no);
}

TEST_CASE("a load balancer without an agent shows by the connections that the servers see") {
    ProxySite site;
    site.clients("web-01", "10.77.0.10", 2);
    site.clients("web-02", "10.77.0.10", 1);
    site.round();
    REQUIRE(site.find("R1", "balancer@10.77.0.10") != nullptr);
    CHECK(site.find("F14", "10.77.0.10") != nullptr);
    CHECK(site.find("F4", "nginx@web-01") != nullptr);
    CHECK(site.reading({"balancer@10.77.0.10"}) == Truth::no);
}

TEST_CASE("connections of an agent, of an application or of one client make no load balancer") {
    ProxySite site;
    const auto* process = GENERATE("gunicorn", "my-proxy");
    site.balancer(process);
    const bool application = std::string(process) == "gunicorn";
    site.clients("web-01", "10.77.0.10", application ? 9 : 1);
    site.clients("web-02", "10.77.0.10", application ? 9 : 1);
    site.round();
    CHECK(site.find("R1", "balancer@lb-01") == nullptr);
}

TEST_CASE("a backend in TCP mode is drawn and checked by its protocol") {
    struct Case {
        const char* port;
        const char* process;
        const char* component;
        const char* advice;
    };
    const auto each = GENERATE(Case{"3306", "mariadbd", "mysql@web-01", "mysql-check"},
                               Case{"5432", "postgres", "postgresql@web-01", "pgsql-check"},
                               Case{"6379", "redis-server", "redis@web-01", "PING"},
                               Case{"25", "master", "smtp@web-01", "smtpchk"},
                               Case{"389", "slapd", "ldap@web-01", "ldap-check"},
                               Case{"7000", "shopd", "shopd@web-01", "tcp-check"});
    Watched site;
    for (const auto& [host, address] :
         {std::pair("web-01", "10.77.0.11"), std::pair("web-02", "10.77.0.12")}) {
        site.samples.listener(host, reach::Family::ipv4, "0.0.0.0", each.port, each.process);
        auto labels = server(host);
        labels.set("proxy", "data");
        auto up = labels;
        up.set("state", "UP");
        site.samples.add("haproxy_server_status", up);
        labels.set("address", std::string(address) + ":" + each.port);
        labels.set("role", "active");
        labels.set("check", "L4");
        site.samples.add("lapwing_haproxy_server_info", labels);
    }
    site.samples.add("lapwing_haproxy_backend_info", {{"agent", "web-01"},
                                                      {"instance", "lb-01"},
                                                      {"job", "haproxy"},
                                                      {"proxy", "data"},
                                                      {"mode", "tcp"},
                                                      {"via", "http"}});
    site.round();
    INFO(each.component);
    CHECK(site.edge("haproxy@lb-01", each.component).kind == topology::EdgeKind::balances);
    const auto found = std::find_if(site.findings.begin(), site.findings.end(), [](const auto& finding) {
        return finding.id == "R5" && finding.subject == "lb-01/data";
    });
    REQUIRE(found != site.findings.end());
    INFO(found->remedy);
    CHECK(found->remedy.find(each.advice) != std::string::npos);
    CHECK(found->remedy.find("httpchk") == std::string::npos);
}

TEST_CASE("a NAT rule that sends visitors on is a single point of failure") {
    ProxySite site;
    const auto* rules = R"({"nftables": [
        {"table": {"family": "ip", "name": "nat", "handle": 1}},
        {"chain": {"family": "ip", "table": "nat", "name": "pre", "handle": 1, "type": "nat", "hook": "prerouting",
                   "prio": -100, "policy": "accept"}},
        {"rule": {"family": "ip", "table": "nat", "chain": "pre", "handle": 2, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
            {"dnat": {"addr": "10.77.0.11", "port": 80}}]}}],
        "host": {"interfaces": [{"name": "eth0", "address": "10.77.0.10", "prefix": 24}],
                 "forwards_ipv4": true, "forwards_ipv6": false}})";
    site.samples.agent("lb-01", rules);
    site.samples.address("lb-01", "10.77.0.10");
    site.round();
    REQUIRE(site.find("R1", "balancer@lb-01") != nullptr);
    CHECK(site.find("R1", "balancer@lb-01")->title.find("a NAT rule") != std::string::npos);
    CHECK(site.reading({"web@web-01"}) == Truth::no);
}
