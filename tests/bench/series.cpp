// bench-series FILE: what series cost in memory, while they are active and afterwards, and 60 days of churn.
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "collector/storage/sqlite_store.h"

namespace {

using namespace lapwing;
using namespace lapwing::storage;

constexpr std::int64_t kHour = 3'600'000;
constexpr int kSeries = 100'000;
constexpr int kChurnPerHour = 750;  // 18,000 a day
constexpr int kDays = 60;

std::int64_t now = 20'000 * 24 * kHour;
std::int64_t clockOfBench() {
    return now;
}

double residentMb() {
    ::malloc_trim(0);
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    std::uint64_t resident = 0;
    statm >> pages >> resident;
    return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

/// Labels as an agent's probes have them.
TimeSeries series(const std::string& metric, const std::string& process) {
    return {Labels{{"__name__", metric},
                   {"job", "node"},
                   {"instance", "web-01"},
                   {"agent", "web-01"},
                   {"process", process},
                   {"state", "running"}},
            {{now, 1}}};
}

void append(SqliteStore& store, int first, int count) {
    std::vector<TimeSeries> batch;
    for (int i = first; i < first + count; ++i) {
        batch.push_back(series("metric_" + std::to_string(i % 50), "pid-" + std::to_string(i)));
        if (batch.size() == 5000 || i + 1 == first + count) {
            const auto stored = store.append(batch);
            if (!stored || stored->refused > 0) {
                std::printf("refused: %s\n", stored ? stored->first_refusal.c_str() : stored.error().message.c_str());
            }
            batch.clear();
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench-series FILE\n");
        return 2;
    }
    StoreOptions options;
    options.path = argv[1];
    options.retention_ms = 90 * 24 * kHour;
    options.clock = clockOfBench;
    options.steady = clockOfBench;
    auto opened = SqliteStore::open(options);
    if (!opened) {
        std::fprintf(stderr, "bench-series: %s\n", opened.error().message.c_str());
        return 1;
    }
    auto& store = **opened;
    const double empty = residentMb();
    append(store, 0, kSeries);
    static_cast<void>(store.compact());
    const double active = residentMb();
    std::printf("active: %.0f bytes a series (%d series, %.1f MB)\n", (active - empty) * 1e6 / kSeries, kSeries,
                active - empty);
    now += 2 * kHour;
    static_cast<void>(store.compact());
    const double idle = residentMb();
    std::printf("after an hour without samples: %.0f bytes a series (%.1f MB)\n", (idle - empty) * 1e6 / kSeries,
                idle - empty);
    const auto start = std::chrono::steady_clock::now();
    for (int hour = 0; hour < kDays * 24; ++hour) {
        append(store, kSeries + hour * kChurnPerHour, kChurnPerHour);
        static_cast<void>(store.compact());
        now += kHour;
        if (hour % (10 * 24) == 0) {
            std::printf("churn, day %d: %.1f MB\n", hour / 24, residentMb() - empty);
        }
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto stats = store.stats();
    std::printf("churn of 18,000 a day for %d days: %.1f MB, %zu series kept, file %.1f MB, %.0f s\n", kDays,
                residentMb() - empty, stats.series, static_cast<double>(stats.file_bytes) / 1e6, seconds);
    const auto matchers = Matchers{Matcher::create(Matcher::Type::equal, "__name__", "metric_7").value()};
    const auto asked = std::chrono::steady_clock::now();
    const auto found = store.select(matchers, 0, INT64_MAX, 100'000'000);
    std::printf("a query for one metric of 60 days: %zu series in %.2f s\n", found ? found->size() : 0,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count());
    const auto before = std::chrono::steady_clock::now();
    opened->reset();
    opened = SqliteStore::open(options);
    std::printf("a restart: %.2f s, %.1f MB\n",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count(),
                residentMb() - empty);
    return 0;
}
