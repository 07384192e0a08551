#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr int kSeriesPerBatch = 40;

/// The value identifies the sample, so that every stored sample can be checked.
double valueOf(int series, std::int64_t batch) {
    return static_cast<double>(batch) * 100 + series + 0.25;
}

Labels labelsOf(int series, int generation) {
    // Each process adds a few series: the creation of series must survive too.
    const bool own = series % 10 == 0;
    return Labels{{"__name__", "m" + std::to_string(series)},
                  {"agent", "web-0" + std::to_string(series % 3)},
                  {"generation", own ? std::to_string(generation) : ""}};
}

/// The child: appends batches from two threads, writes the number of each acknowledged batch to the pipe, and
/// compacts now and then. Never returns.
[[noreturn]] void appendForEver(const std::string& path, std::int64_t first, int generation, int report) {
    auto options = keepEverything(path);
    // One of the threads may get far ahead of the other on a busy machine.
    options.out_of_order_ms = INT64_MAX / 4;
    auto store = SqliteStore::open(options);
    if (!store) {
        ::_exit(3);
    }
    const auto append = [&](std::int64_t batch, std::int64_t step) {
        for (;; batch += step) {
            std::vector<TimeSeries> series;
            for (int s = 0; s < kSeriesPerBatch; ++s) {
                series.push_back({labelsOf(s, generation), {{batch * 20'000, valueOf(s, batch)}}});
            }
            const auto result = (*store)->append(series);
            if (!result || result->refused > 0) {
                ::_exit(4);
            }
            if (::write(report, &batch, sizeof batch) != sizeof batch) {
                ::_exit(5);
            }
        }
    };
    std::thread compacting([&] {
        for (;;) {
            if (!(*store)->compact()) {
                ::_exit(6);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    std::thread odd([&] { append(first + 1, 2); });
    append(first, 2);
    ::_exit(0);
}

TEST_CASE("acknowledged batches survive kill -9 at any moment") {
    const test::TemporaryFolder dir;
    std::mt19937 random(static_cast<unsigned>(::getpid()));
    std::map<std::int64_t, int> acknowledged;  // batch -> generation
    std::int64_t first = 1;
    for (int generation = 0; generation < 20; ++generation) {
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(pipe[0]);
            appendForEver(dir.path("lapwing.db"), first, generation, pipe[1]);
        }
        ::close(pipe[1]);
        std::thread killer([&random, child] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 130));
            ::kill(child, SIGKILL);
        });
        std::int64_t batch = 0;
        std::int64_t last = first;
        while (::read(pipe[0], &batch, sizeof batch) == sizeof batch) {
            acknowledged[batch] = generation;
            last = std::max(last, batch);
        }
        killer.join();
        ::close(pipe[0]);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        INFO("the child ended by itself with " << WEXITSTATUS(status));
        REQUIRE(WIFSIGNALED(status));
        // Two batches may be stored without an acknowledgement.
        first = last + 3;
    }
    REQUIRE(acknowledged.size() > 20);

    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    for (int pass = 0; pass < 2; ++pass) {
        std::map<std::pair<std::string, TimestampMs>, double> found;
        for (const auto& one : mustSelect(*store, {}, 0, INT64_MAX)) {
            for (const auto& sample : one.samples) {
                CHECK(
                    found.emplace(std::pair(one.labels->toString(), sample.timestamp), sample.value).second);
            }
        }
        std::size_t missing = 0;
        std::size_t wrong = 0;
        for (const auto& [batch, generation] : acknowledged) {
            for (int s = 0; s < kSeriesPerBatch; ++s) {
                const auto it = found.find({labelsOf(s, generation).toString(), batch * 20'000});
                missing += it == found.end() ? 1 : 0;
                wrong += it != found.end() && it->second != valueOf(s, batch) ? 1 : 0;
            }
        }
        CHECK(missing == 0);
        CHECK(wrong == 0);
        REQUIRE(store->compact());
    }
    // An unacknowledged batch is stored completely or not at all: it is one entry of the log.
    std::map<TimestampMs, int> by_time;
    for (const auto& one : mustSelect(*store, {}, 0, INT64_MAX)) {
        for (const auto& sample : one.samples) {
            ++by_time[sample.timestamp];
        }
    }
    for (const auto& [time, count] : by_time) {
        CHECK(count == kSeriesPerBatch);
    }
}

}  // namespace
}  // namespace lapwing::storage
