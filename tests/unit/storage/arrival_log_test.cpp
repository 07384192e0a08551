#include "collector/storage/arrival_log.h"

#include <thread>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

Labels metric(const std::string& name) {
    return Labels{{"__name__", name}, {"agent", "web-01"}};
}

/// Reads the log as "seq:name@t=v,...".
std::string show(const Expected<std::vector<LoggedBatch>>& batches) {
    if (!batches) {
        return batches.error().message;
    }
    std::string out;
    for (const auto& batch : *batches) {
        if (!out.empty()) {
            out += ' ';
        }
        out += std::to_string(batch.seq) + ":";
        for (const auto& series : batch.series) {
            out += series.labels ? std::string(series.labels->metricName()) : "deleted";
            for (const auto& sample : series.samples) {
                out += "@" + std::to_string(sample.timestamp) + "=" +
                       std::to_string(static_cast<long long>(sample.value));
            }
        }
    }
    return out;
}

TEST_CASE("the log is read in order of arrival, whole entries at a time") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(show(store->readLog(0, 1000)).empty());
    CHECK(store->logEnd().seq == 0);
    mustAppend(*store, {{metric("a"), {{20, 1}}}});
    mustAppend(*store, {{metric("b"), {{5, 2}, {6, 3}}}});
    // An out-of-order sample, a duplicate that is not stored again, and an entry with a duplicate only.
    mustAppend(*store, {{metric("a"), {{10, 4}, {20, 1}}}});
    mustAppend(*store, {{metric("a"), {{20, 1}}}});
    CHECK(show(store->readLog(0, 1000)) == "1:a@20=1 2:b@5=2@6=3 3:a@10=4");
    CHECK(show(store->readLog(0, 1)) == "1:a@20=1");
    CHECK(show(store->readLog(0, 2)) == "1:a@20=1 2:b@5=2@6=3");
    CHECK(show(store->readLog(1, 1000)) == "2:b@5=2@6=3 3:a@10=4");
    CHECK(show(store->readLog(3, 1000)).empty());
    CHECK(store->logEnd().seq == 3);
    CHECK(store->logBytes(0, 3).value() == store->logEnd().bytes);
    const auto batches = store->readLog(0, 1000).value();
    CHECK(batches[0].bytes + batches[1].bytes + batches[2].bytes == store->logEnd().bytes);
    CHECK(batches[0].series[0].id == batches[2].series[0].id);
    CHECK(store->logBytes(2, 3).value() == batches[2].bytes);
}

TEST_CASE("entries stay until every reader has passed them and they are in blocks") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    for (int i = 1; i <= 4; ++i) {
        mustAppend(*store, {{metric("a"), {{i, 1.0 * i}}}});
    }
    REQUIRE(store->putLogCursor("ahead", 3));
    REQUIRE(store->putLogCursor("behind", 1));
    REQUIRE(store->compact());
    CHECK(show(store->readLog(0, 1000)) == "2:a@2=2 3:a@3=3 4:a@4=4");

    SECTION("over a restart, where they are not taken for new") {
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
        CHECK(store->logCursors() == std::map<std::string, std::uint64_t>{{"ahead", 3}, {"behind", 1}});
        CHECK(store->logEnd().seq == 4);
        CHECK(samplesOf(*store, named("a")) == "1:1 2:2 3:3 4:4");
        mustAppend(*store, {{metric("a"), {{5, 5}}}});
        CHECK(show(store->readLog(1, 1000)) == "2:a@2=2 3:a@3=3 4:a@4=4 5:a@5=5");
        // If the old entries had been replayed into the head, they would be compacted again.
        REQUIRE(store->compact());
        CHECK(samplesOf(*store, named("a")) == "1:1 2:2 3:3 4:4 5:5");
    }
    SECTION("a reader that moves on lets them go") {
        REQUIRE(store->putLogCursor("behind", 4));
        mustAppend(*store, {{metric("a"), {{5, 5}}}});
        REQUIRE(store->compact());
        CHECK(show(store->readLog(0, 1000)) == "4:a@4=4 5:a@5=5");
    }
    SECTION("a reader that is dropped holds nothing up") {
        REQUIRE(store->dropLogCursor("behind"));
        REQUIRE(store->dropLogCursor("ahead"));
        REQUIRE(store->dropLogCursor("never there"));
        mustAppend(*store, {{metric("a"), {{5, 5}}}});
        REQUIRE(store->compact());
        CHECK(show(store->readLog(0, 1000)).empty());
        CHECK(store->logCursors().empty());
    }
    SECTION("not before they are in blocks") {
        REQUIRE(store->putLogCursor("ahead", 5));
        REQUIRE(store->putLogCursor("behind", 5));
        mustAppend(*store, {{metric("a"), {{5, 5}}}});
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
        CHECK(samplesOf(*store, named("a")) == "1:1 2:2 3:3 4:4 5:5");
    }
}

TEST_CASE("the number of a deleted series that the log names is not given to another") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.retention_ms = 3'600'000;
    options.clock = [] { return TimestampMs{1'000'000'000}; };
    TimestampMs expiry = 1000;
    options.expiry_clock = [&expiry] { return expiry; };
    auto store = openStore(options);
    mustAppend(*store, {{metric("stays"), {{1'000'000'000, 1}}}});
    mustAppend(*store, {{metric("old"), {{1000, 2}}}});
    REQUIRE(store->putLogCursor("reader", 0));
    REQUIRE(store->compact());
    expiry = 1'000'000'000;
    REQUIRE(store->expire());
    REQUIRE(store->stats().series == 1);
    store.reset();
    store = openStore(options);
    mustAppend(*store, {{metric("new"), {{1'000'000'000, 3}}}});
    CHECK(show(store->readLog(0, 1000)) == "1:stays@1000000000=1 2:deleted@1000=2 3:new@1000000000=3");
}

TEST_CASE("a reader beside writers sees every entry once, with its labels") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    REQUIRE(store->putLogCursor("reader", 0));
    constexpr int rounds = 300;
    std::vector<std::thread> writers;
    for (int w = 0; w < 3; ++w) {
        writers.emplace_back([&store, w] {
            for (int i = 0; i < rounds; ++i) {
                // Each batch creates a series.
                const auto name = "m" + std::to_string(w) + "_" + std::to_string(i);
                if (!store->append({{metric(name), {{1, 1.0 * i}}}})) {
                    return;
                }
            }
        });
    }
    std::uint64_t cursor = 0;
    std::size_t samples = 0;
    std::size_t deleted = 0;
    for (int idle = 0; samples < 3 * rounds && idle < 10'000;) {
        const auto batches = store->readLog(cursor, 50);
        if (!batches) {
            break;
        }
        if (batches->empty()) {
            ++idle;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        for (const auto& batch : *batches) {
            if (batch.seq != cursor + 1) {
                idle = 10'000;
            }
            cursor = batch.seq;
            for (const auto& series : batch.series) {
                samples += series.samples.size();
                if (!series.labels) {
                    ++deleted;
                }
            }
        }
        if (cursor % 7 == 0 && (!store->putLogCursor("reader", cursor) || !store->compact())) {
            break;
        }
    }
    for (auto& writer : writers) {
        writer.join();
    }
    CHECK(samples == 3 * rounds);
    CHECK(deleted == 0);
}

}  // namespace
}  // namespace lapwing::storage
