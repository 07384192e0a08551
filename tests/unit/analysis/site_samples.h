#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "collector/analysis/analyst.h"
#include "collector/storage/store.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::test {

/// The samples of a site, as its agents send them, in a separate store. SiteShape builds sites of every
/// shape. The functions here build the three-server site over IPv4, initially open.
class SiteSamples {
  public:
    static constexpr TimestampMs kStart = 1'700'000'000'000;

    SiteSamples() { open(); }

    storage::Store& store() { return *store_; }
    void reopen() {
        store_.reset();
        open();
    }

    static analysis::Site site() {
        analysis::Site out;
        out.entry = {"http://10.77.0.10/"};
        out.replication = {{"web-01", "web-02"}};
        return out;
    }

    void add(const char* metric, Labels labels, double value = 1) {
        labels.set("__name__", metric);
        batch_.push_back({std::move(labels), {{now, value}}});
    }
    void end(const char* metric, Labels labels) { add(metric, std::move(labels), staleNaN()); }
    void write() {
        REQUIRE(store_->append(batch_));
        batch_.clear();
    }

    /// A sample from an agent about its host.
    void own(const std::string& host, const char* metric, std::vector<Label> more, double value = 1) {
        more.push_back({"agent", host});
        more.push_back({"instance", host});
        add(metric, Labels(std::move(more)), value);
    }

    /// A host's agent with working probes of sockets and of the firewall.
    void agent(const std::string& host, const std::string& ruleset) {
        own(host, "lapwing_agent_info", {{"job", "agent"}, {"version", "0.1.0"}});
        own(host, "up", {{"job", "sockets"}});
        own(host, "up", {{"job", "firewall"}});
        own(host, "lapwing_ruleset_info",
            {{"job", "firewall"}, {"digest", document("ruleset", host, ruleset)}});
    }

    void address(const std::string& host, const std::string& address, const char* interface = "eth0") {
        const bool v6 = address.find(':') != std::string::npos;
        own(host, "lapwing_agent_address_info",
            {{"address", address}, {"family", v6 ? "ipv6" : "ipv4"}, {"interface", interface}});
    }

    void listener(const std::string& host, reach::Family family, const char* address, const std::string& port,
                  const char* process) {
        own(host, "lapwing_listener_info",
            {{"protocol", "tcp"},
             {"family", reach::familyName(family)},
             {"address", address},
             {"port", port},
             {"process", process}});
    }

    /// A web server over IPv4, as its agent reports it.
    void web(const std::string& host, const std::string& main, const std::string& second,
             const std::string& ruleset) {
        agent(host, ruleset);
        address(host, main);
        address(host, second);
        own(host, "mysql_up", {{"job", "mysql"}});
        listener(host, reach::Family::ipv4, "0.0.0.0", "80", "nginx");
        listener(host, reach::Family::ipv4, "0.0.0.0", "3306", "mariadbd");
        listener(host, reach::Family::ipv4, "127.0.0.1", "8000", "gunicorn");
    }

    static std::string digestOf(const std::string& body) {
        return "digest-" + std::to_string(std::hash<std::string>{}(body));
    }
    /// Stores a document and returns its digest.
    std::string document(const char* kind, const std::string& host, const std::string& body) {
        REQUIRE(store_->putDocument({digestOf(body), kind, host, now, body}));
        return digestOf(body);
    }

    void denies(const std::string& host, bool denies, reach::Family family = reach::Family::ipv4) {
        own(host, "lapwing_firewall_default_deny",
            {{"job", "firewall"}, {"family", reach::familyName(family)}}, denies ? 1 : 0);
    }

    void attempt(const std::string& from, const std::string& to, const std::string& address, const char* port,
                 const std::string& source, const char* kind, const char* result,
                 const char* greeting = nullptr, const char* service = "x") {
        const Labels place{{"agent", from},      {"instance", to},     {"peer", to},
                           {"job", "firewall"},  {"address", address}, {"port", port},
                           {"protocol", "tcp"},  {"service", service}, {"source", source},
                           {"source_kind", kind}};
        add("lapwing_attempt_timestamp_seconds", place, static_cast<double>(now) / 1000);
        auto labels = place;
        labels.set("result", result);
        add("lapwing_attempt_result", labels);
        if (greeting != nullptr) {
            labels = place;
            labels.set("greeting", greeting);
            add("lapwing_attempt_greeting_info", labels);
        }
    }

    void canary(const std::string& from, const std::string& to, const std::string& source, const char* kind,
                const char* result) {
        Labels labels{{"agent", from},     {"instance", to},   {"peer", to},
                      {"job", "firewall"}, {"source", source}, {"source_kind", kind}};
        add("lapwing_canary_timestamp_seconds", labels, static_cast<double>(now) / 1000);
        labels.set("result", result);
        add("lapwing_canary_result", labels);
    }

    void control(const std::string& from, const std::string& to, bool ok,
                 const std::string& address = "10.77.0.12") {
        add("lapwing_attempt_control_ok",
            {{"address", address},
             {"agent", from},
             {"instance", to},
             {"peer", to},
             {"job", "firewall"},
             {"port", "80"}},
            ok ? 1 : 0);
    }

    /// A server of HAProxy on lb-01. The agent of web-01 reads the statistics.
    void server(const char* backend, const std::string& name, const std::string& address) {
        const Labels labels{{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"},
                            {"proxy", backend},  {"server", name},      {"via", "http"}};
        auto up = labels;
        up.set("state", "UP");
        add("haproxy_server_status", up);
        auto info = labels;
        info.set("address", address);
        add("lapwing_haproxy_server_info", info);
    }

    void balancer() {
        server("web", "web-01", "10.77.0.11:80");
        server("web", "web-02", "10.77.0.12:80");
        add("up", {{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"}, {"via", "http"}});
    }

    /// The whole site. `result` is the result of attempts from second addresses.
    void everything(const std::string& ruleset, bool default_deny, const char* result,
                    bool canary_too = true) {
        struct Pair {
            const char* from;
            const char* to;
            const char* address;
            const char* main;
            const char* second;
        };
        web("web-01", "10.77.0.11", "10.77.0.111", ruleset);
        web("web-02", "10.77.0.12", "10.77.0.112", ruleset);
        for (const auto& each : {Pair{"web-01", "web-02", "10.77.0.12", "10.77.0.11", "10.77.0.111"},
                                 Pair{"web-02", "web-01", "10.77.0.11", "10.77.0.12", "10.77.0.112"}}) {
            denies(each.to, default_deny);
            control(each.from, each.to, true);
            const bool open = std::string_view(result) == "open";
            attempt(each.from, each.to, each.address, "3306", each.main, "main", "open", "accepted");
            attempt(each.from, each.to, each.address, "3306", each.second, "second", result,
                    open ? "accepted" : nullptr);
            if (canary_too) {
                canary(each.from, each.to, each.second, "second", result);
            }
        }
        balancer();
        write();
    }

    TimestampMs now = kStart;

  private:
    void open() {
        storage::StoreOptions options;
        options.path = folder_.path("lapwing.db");
        options.retention_ms = 0;
        auto opened = storage::Store::open(options);
        REQUIRE(opened);
        store_ = std::move(*opened);
    }

    TemporaryFolder folder_;
    std::unique_ptr<storage::Store> store_;
    std::vector<TimeSeries> batch_;
};

}  // namespace lapwing::test
