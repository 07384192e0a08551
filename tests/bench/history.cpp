// bench-history FILE: makes a store with the history of two hosts for 90 days, as the rules of
// history.rules.yml record it, among 100 other recorded series of each host, and the last six hours of what
// their agents send. Then start a collector on FILE, and ask for the history as the page does.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "collector/storage/sqlite_store.h"
#include "common/model/clock.h"

namespace {

using namespace lapwing;
using namespace lapwing::storage;

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDays = 90;
const std::int64_t kEndOfHistory = nowMs();
std::int64_t now = kEndOfHistory - kDays * 24 * kHour;

std::int64_t clockOfBench() {
    return now;
}

/// Samples each `step` of the hour before now.
TimeSeries hourOf(std::vector<Label> labels, std::int64_t step, int number) {
    TimeSeries out{Labels(std::move(labels)), {}};
    for (std::int64_t time = (now - kHour) / step * step + step; time <= now; time += step) {
        const double angle = static_cast<double>(time % (24 * kHour)) / (24.0 * kHour) * 6.2831853;
        out.samples.push_back({time, std::round((0.5 + 0.3 * std::sin(angle + number)) * 1e4) / 1e4});
    }
    return out;
}

std::vector<TimeSeries> recorded(const std::string& host) {
    std::vector<TimeSeries> out;
    int number = 0;
    for (const char* measure : {"lag", "requests", "errors", "latency", "cpu", "memory", "disk", "network"}) {
        out.push_back(
            hourOf({{"__name__", "instance_measure:history:avg5m"}, {"instance", host}, {"measure", measure}},
                   300'000, number));
        out.push_back(
            hourOf({{"__name__", "instance_measure:history:max1h"}, {"instance", host}, {"measure", measure}},
                   kHour, number++));
    }
    for (int i = 0; i < 100; ++i) {
        out.push_back(hourOf(
            {{"__name__", "instance_server:other:rate1m"}, {"instance", host}, {"server", std::to_string(i)}},
            60'000, i));
    }
    return out;
}

std::vector<TimeSeries> observed(const std::string& host) {
    std::vector<TimeSeries> out;
    const auto add = [&](const char* name, std::vector<Label> labels) {
        labels.insert(labels.end(),
                      {{"__name__", name}, {"instance", host}, {"agent", host}, {"job", "node"}});
        out.push_back(hourOf(std::move(labels), 10'000, static_cast<int>(out.size())));
    };
    for (int cpu = 0; cpu < 8; ++cpu) {
        for (const char* mode : {"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"}) {
            add("node_cpu_seconds_total", {{"cpu", std::to_string(cpu)}, {"mode", mode}});
        }
    }
    add("node_memory_MemAvailable_bytes", {});
    add("node_memory_MemTotal_bytes", {});
    for (const char* mount : {"/", "/var", "/srv"}) {
        add("node_filesystem_avail_bytes", {{"mountpoint", mount}, {"fstype", "ext4"}, {"device", mount}});
        add("node_filesystem_size_bytes", {{"mountpoint", mount}, {"fstype", "ext4"}, {"device", mount}});
    }
    for (const char* device : {"eth0", "eth1", "lo"}) {
        add("node_network_receive_bytes_total", {{"device", device}});
        add("node_network_transmit_bytes_total", {{"device", device}});
    }
    add("nginx_http_requests_total", {});
    add("probe_duration_seconds", {{"url", "http://127.0.0.1/"}});
    add("probe_success", {{"url", "http://127.0.0.1/"}});
    add("lapwing_replication_lag_seconds", {{"replica", host}, {"primary", "web-01"}, {"channel", ""}});
    for (int i = 0; i < 400; ++i) {
        add("other", {{"number", std::to_string(i)}});
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench-history FILE\n");
        return 2;
    }
    StoreOptions options;
    options.path = argv[1];
    options.clock = clockOfBench;
    options.steady = clockOfBench;
    const auto store = SqliteStore::open(options);
    if (!store) {
        std::fprintf(stderr, "bench-history: %s\n", store.error().message.c_str());
        return 1;
    }
    while (now < kEndOfHistory) {
        now += kHour;
        const bool recent = kEndOfHistory - now <= 6 * kHour;
        for (const char* host : {"web-01", "web-02"}) {
            auto stored = (*store)->append(recorded(host));
            if (stored && recent) {
                stored = (*store)->append(observed(host), host);
            }
            if (!stored || stored->refused > 0) {
                std::fprintf(stderr, "bench-history: %s\n",
                             stored ? stored->first_refusal.c_str() : stored.error().message.c_str());
                return 1;
            }
        }
        if (const auto done = (*store)->compact(); !done) {
            std::fprintf(stderr, "bench-history: %s\n", done.error().message.c_str());
            return 1;
        }
    }
    return 0;
}
