// The time and the memory of a round of analysis in large sites: bench-analysis [HOSTS...]
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "collector/analysis/analyst.h"
#include "collector/storage/store.h"

using namespace lapwing;

namespace {

constexpr TimestampMs kStart = 1'700'000'000'000;
constexpr const char* kRules = R"({"nftables":[{"table":{"family":"inet","name":"f","handle":1}},
    {"chain":{"family":"inet","table":"f","name":"in","handle":2,"type":"filter","hook":"input","prio":0,"policy":"drop"}},
    {"rule":{"family":"inet","table":"f","chain":"in","handle":3,"expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},
        "right":["established","related"]}},{"accept":null}]}},
    {"rule":{"family":"inet","table":"f","chain":"in","handle":4,"expr":[{"match":{"op":"==","left":{"payload":
        {"protocol":"tcp","field":"dport"}},"right":{"set":[22,80,3306]}}},{"accept":null}]}}]})";

class Fleet {
  public:
    explicit Fleet(int hosts) : hosts_(hosts) {
        std::string pattern = (std::filesystem::temp_directory_path() / "bench-analysis-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) {
            std::abort();
        }
        directory_ = pattern;
        storage::StoreOptions options;
        options.path = directory_ + "/metrics.db";
        options.retention_ms = 0;
        store_ = std::move(*storage::Store::open(options));
        static_cast<void>(store_->putDocument({"digest", "ruleset", "h0", kStart, kRules}));
    }
    ~Fleet() {
        store_.reset();
        std::filesystem::remove_all(directory_);
    }
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    storage::Store& store() { return *store_; }

    static std::string address(int host) {
        return "10.1." + std::to_string(host >> 8) + "." + std::to_string(host & 255);
    }

    /// One load balancer, web servers with an application, a primary and its replica.
    void site() {
        const int primary = hosts_ - 2;
        for (int i = 0; i < hosts_; ++i) {
            host(i);
            if (i > 0 && i < primary) {
                listener(i, "0.0.0.0", "80", "nginx");
                listener(i, "127.0.0.1", "8000", "gunicorn");
                own(i, "app_up", {{"job", "app"}});
                own(i, "nginx_up", {{"job", "nginx"}});
            } else if (i >= primary) {
                listener(i, "0.0.0.0", "3306", "mariadbd");
                own(i, "mysql_up", {{"job", "mysql"}});
            }
        }
        for (int i = 1; i < primary; ++i) {
            server(0, i);
        }
        listener(0, "0.0.0.0", "80", "haproxy");
        own(0, "up", {{"job", "haproxy"}});
        own(primary + 1, "mysql_slave_status_slave_io_running",
            {{"job", "mysql"}, {"master_host", address(primary)}});
        own(primary + 1, "mysql_slave_status_slave_sql_running",
            {{"job", "mysql"}, {"master_host", address(primary)}});
    }

    /// Each host balances over the two that follow it, and is a replica of the next.
    void ring() {
        for (int i = 0; i < hosts_; ++i) {
            host(i);
            own(i, "up", {{"job", "haproxy"}});
            listener(i, "0.0.0.0", "80", "haproxy");
            listener(i, "0.0.0.0", "3306", "mariadbd");
            server(i, (i + 1) % hosts_);
            server(i, (i + 2) % hosts_);
            own(i, "mysql_up", {{"job", "mysql"}});
            own(i, "mysql_slave_status_slave_io_running",
                {{"job", "mysql"}, {"master_host", address((i + 1) % hosts_)}});
        }
    }

    void write(TimestampMs now) {
        for (auto& series : batch_) {
            series.samples = {{now, series.samples.front().value}};
        }
        if (!store_->append(batch_)) {
            std::abort();
        }
    }

  private:
    static std::string name(int host) { return "h" + std::to_string(host); }

    void own(int host, const char* metric, std::vector<Label> more, double value = 1) {
        more.push_back({"agent", name(host)});
        more.push_back({"instance", name(host)});
        more.push_back({"__name__", metric});
        batch_.push_back({Labels(std::move(more)), {{0, value}}});
    }

    void host(int i) {
        own(i, "lapwing_agent_info", {{"job", "agent"}, {"version", "0.1.0"}});
        own(i, "lapwing_agent_address_info",
            {{"address", address(i)}, {"family", "ipv4"}, {"interface", "e"}});
        own(i, "up", {{"job", "sockets"}});
        own(i, "up", {{"job", "firewall"}});
        own(i, "lapwing_ruleset_info", {{"job", "firewall"}, {"digest", "digest"}});
        own(i, "lapwing_firewall_default_deny", {{"job", "firewall"}, {"family", "ipv4"}});
        listener(i, "0.0.0.0", "22", "sshd");
    }

    void listener(int host, const char* address, const char* port, const char* process) {
        own(host, "lapwing_listener_info",
            {{"protocol", "tcp"},
             {"family", "ipv4"},
             {"address", address},
             {"port", port},
             {"process", process}});
    }

    void server(int balancer, int host) {
        own(balancer, "haproxy_server_status",
            {{"job", "haproxy"}, {"proxy", "web"}, {"server", name(host)}, {"state", "UP"}});
        own(balancer, "lapwing_haproxy_server_info",
            {{"job", "haproxy"},
             {"proxy", "web"},
             {"server", name(host)},
             {"address", address(host) + ":80"},
             {"role", "active"},
             {"check", "L7"}});
    }

    int hosts_;
    std::string directory_;
    std::unique_ptr<storage::Store> store_;
    std::vector<TimeSeries> batch_;
};

double milliseconds(const auto& work) {
    const auto start = std::clock();
    work();
    constexpr double ms_per_second = 1000;
    return static_cast<double>(std::clock() - start) * ms_per_second / CLOCKS_PER_SEC;
}

void measure(int hosts, const char* shape, void (Fleet::*build)()) {
    Fleet fleet(hosts);
    (fleet.*build)();
    analysis::Site site;
    site.entry = {"http://" + Fleet::address(0) + "/"};
    analysis::AnalystOptions options;
    options.setup.collector_host = "monitor";
    analysis::Analyst analyst(fleet.store(), site, options);
    double last = 0;
    double first = 0;
    constexpr int rounds = 3;
    constexpr TimestampMs interval = 10'000;
    for (int round = 0; round < rounds; ++round) {
        const auto now = kStart + round * interval;
        fleet.write(now);
        last = milliseconds([&] {
            if (const auto judged = analyst.run(now); !judged) {
                std::fprintf(stderr, "%s\n", judged.error().message.c_str());
            }
        });
        first = round == 0 ? last : first;
    }
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    std::printf("%-6s %6d hosts %10.0f ms first %10.0f ms later %6zu findings %8ld KB peak\n", shape, hosts,
                first, last, analyst.findings().size(), used.ru_maxrss);
}

}  // namespace

int main(int count, char** words) {
    std::vector<int> sizes;
    for (int i = 1; i < count; ++i) {
        sizes.push_back(std::atoi(words[i]));
    }
    if (sizes.empty()) {
        sizes = {4, 50, 100, 200};
    }
    for (const int hosts : sizes) {
        measure(hosts, "site", &Fleet::site);
        measure(hosts, "ring", &Fleet::ring);
    }
}
