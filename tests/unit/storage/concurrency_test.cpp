#include <atomic>
#include <thread>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

TEST_CASE("writers, readers, compaction and retention run at the same time") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.retention_ms = 86'400'000;
    options.clock = [] { return TimestampMs{1'700'000'000'000}; };
    auto store = openStore(options);
    constexpr int writers = 4;
    constexpr int batches = 60;
    const TimestampMs start = 1'700'000'000'000 - 3'600'000;
    std::atomic<bool> done{false};
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int w = 0; w < writers; ++w) {
        threads.emplace_back([&, w] {
            for (int b = 0; b < batches; ++b) {
                std::vector<TimeSeries> batch;
                for (int s = 0; s < 10; ++s) {
                    batch.push_back(
                        {Labels{{"__name__", "m" + std::to_string(s)}, {"agent", std::to_string(w)}},
                         {{start + b * 10'000, static_cast<double>(b)}}});
                }
                // All writers send the same samples of this series; one writer's are stored.
                batch.push_back(
                    {Labels{{"__name__", "shared"}}, {{start + b * 10'000, static_cast<double>(b)}}});
                const auto result = store->append(batch);
                if (!result || result->stored + result->duplicates != 11 || result->refused != 0) {
                    ++failures;
                }
                // Every later query sees an acknowledged sample.
                const auto seen =
                    store->select(match({{"agent", Matcher::Type::equal, std::to_string(w).c_str()}}),
                                  start + b * 10'000, start + b * 10'000, 1000);
                if (!seen || seen->size() != 10) {
                    ++failures;
                }
            }
        });
    }
    threads.emplace_back([&] {
        while (!done) {
            if (!store->compact() || !store->expire()) {
                ++failures;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    });
    threads.emplace_back([&] {
        while (!done) {
            const auto all = store->select({}, 0, INT64_MAX, 1'000'000);
            if (!all) {
                ++failures;
                continue;
            }
            for (const auto& one : *all) {
                for (std::size_t i = 1; i < one.samples.size(); ++i) {
                    if (one.samples[i - 1].timestamp >= one.samples[i].timestamp) {
                        ++failures;
                    }
                }
            }
            if (!store->labelValues("agent", {}, 0, INT64_MAX) || !store->putState("x", "y") ||
                !store->state("x")) {
                ++failures;
            }
            store->stats();
        }
    });
    for (int w = 0; w < writers; ++w) {
        threads[static_cast<std::size_t>(w)].join();
    }
    done = true;
    threads[writers].join();
    threads[writers + 1].join();
    CHECK(failures == 0);
    CHECK(store->stats().samples == (writers * 10 + 1) * batches);
    const auto all = mustSelect(*store, {}, 0, INT64_MAX);
    CHECK(all.size() == writers * 10 + 1);
    for (const auto& one : all) {
        CHECK(one.samples.size() == batches);
    }
}

}  // namespace
}  // namespace lapwing::storage
