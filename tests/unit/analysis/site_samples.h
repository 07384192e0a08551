#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "collector/analysis/analyst.h"
#include "collector/storage/store.h"
#include "tests/unit/catch.h"

namespace lapwing::test {

/// The samples of the three-server site, as its agents send them, in a store of its own. Everything is open
/// at first.
class SiteSamples {
  public:
    static constexpr TimestampMs kStart = 1'700'000'000'000;

    SiteSamples() {
        std::string pattern = (std::filesystem::temp_directory_path() / "lapwing-analysis-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        directory_ = pattern;
        open();
    }
    ~SiteSamples() {
        store_.reset();
        std::filesystem::remove_all(directory_);
    }
    SiteSamples(const SiteSamples&) = delete;
    SiteSamples& operator=(const SiteSamples&) = delete;

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

    /// What one web server's own agent says.
    void web(const std::string& host, const std::string& address, const std::string& second,
             const std::string& ruleset) {
        const Labels self{{"agent", host}, {"instance", host}};
        const auto with = [&](std::vector<Label> more) {
            more.push_back({"agent", host});
            more.push_back({"instance", host});
            return Labels(std::move(more));
        };
        add("lapwing_agent_info", with({{"job", "agent"}, {"version", "0.1.0"}}));
        for (const auto& own : {address, second}) {
            add("lapwing_agent_address_info",
                with({{"address", own}, {"family", "ipv4"}, {"interface", "eth0"}}));
        }
        add("up", with({{"job", "sockets"}}));
        add("up", with({{"job", "firewall"}}));
        add("mysql_up", with({{"job", "mysql"}}));
        for (const auto& [port, process] : {std::pair("80", "nginx"), std::pair("3306", "mariadbd")}) {
            add("lapwing_listener_info", with({{"protocol", "tcp"},
                                               {"family", "ipv4"},
                                               {"address", "0.0.0.0"},
                                               {"port", port},
                                               {"process", process}}));
        }
        add("lapwing_listener_info", with({{"protocol", "tcp"},
                                           {"family", "ipv4"},
                                           {"address", "127.0.0.1"},
                                           {"port", "8000"},
                                           {"process", "gunicorn"}}));
        add("lapwing_ruleset_info",
            with({{"job", "firewall"}, {"digest", document("ruleset", host, ruleset)}}));
    }

    static std::string digestOf(const std::string& body) {
        return "digest-" + std::to_string(std::hash<std::string>{}(body));
    }
    /// Keeps it; returns its digest.
    std::string document(const char* kind, const std::string& host, const std::string& body) {
        REQUIRE(store_->putDocument({digestOf(body), kind, host, now, body}));
        return digestOf(body);
    }

    void denies(const std::string& host, bool denies) {
        add("lapwing_firewall_default_deny",
            {{"agent", host}, {"instance", host}, {"job", "firewall"}, {"family", "ipv4"}}, denies ? 1 : 0);
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

    void balancer() {
        for (const auto& [server, address] :
             {std::pair("web-01", "10.77.0.11:80"), std::pair("web-02", "10.77.0.12:80")}) {
            const Labels labels{{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"},
                                {"proxy", "web"},    {"server", server},    {"via", "http"}};
            auto up = labels;
            up.set("state", "UP");
            add("haproxy_server_status", up);
            auto info = labels;
            info.set("address", address);
            add("lapwing_haproxy_server_info", info);
        }
        add("up", {{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"}, {"via", "http"}});
    }

    /// The whole site; `result` is what attempts from second addresses show.
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
        options.path = directory_ / "lapwing.db";
        options.retention_ms = 0;
        auto opened = storage::Store::open(options);
        REQUIRE(opened);
        store_ = std::move(*opened);
    }

    std::filesystem::path directory_;
    std::unique_ptr<storage::Store> store_;
    std::vector<TimeSeries> batch_;
};

}  // namespace lapwing::test
