#include <atomic>
#include <thread>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDay = 24 * kHour;

/// One clock for everything: samples, arrivals and retention.
std::atomic<std::int64_t> now{100 * kDay};

std::int64_t clockOfTest() {
    return now;
}

StoreOptions withClock(const std::string& path) {
    auto options = keepEverything(path);
    options.clock = clockOfTest;
    options.steady = clockOfTest;
    return options;
}

TimeSeries one(const std::string& name, const std::string& instance, double value = 1) {
    return {Labels{{"__name__", name}, {"instance", instance}}, {{now, value}}};
}

std::size_t active(const Store& store) {
    return store.stats().active_series;
}

/// Lets an hour pass, in which only `alive` has samples.
void passHour(SqliteStore& store, const std::vector<std::string>& alive) {
    for (int i = 0; i < 4; ++i) {
        now += kHour / 4 + 1;
        for (const auto& name : alive) {
            mustAppend(store, {one(name, "x")});
        }
        REQUIRE(store.compact());
    }
    REQUIRE(store.compact());
}

TEST_CASE("a series without samples for an hour leaves memory, and queries still find it") {
    const test::TemporaryFolder dir;
    auto store = openStore(withClock(dir.path("lapwing.db")));
    const auto start = now.load();
    mustAppend(*store, {one("dead", "a", 7), one("dead", "b", 8), one("alive", "x")});
    REQUIRE(store->compact());
    CHECK(active(*store) == 3);
    passHour(*store, {"alive"});
    for (int round = 0; round < 2; ++round) {
        CHECK(active(*store) == 1);
        CHECK(store->stats().series == 3);
        CHECK(mustSelect(*store, named("dead"), 0, INT64_MAX).size() == 2);
        CHECK(samplesOf(*store, match({{"__name__", Matcher::Type::equal, "dead"},
                                       {"instance", Matcher::Type::equal, "b"}})) ==
              std::to_string(start) + ":8");
        CHECK(samplesOf(*store, match({{"instance", Matcher::Type::regex, "a|none"}})) ==
              std::to_string(start) + ":7");
        CHECK(mustSelect(*store, named("dead"), start + 1, INT64_MAX).empty());
        CHECK(store->series({named("dead")}, 0, INT64_MAX)->size() == 2);
        CHECK(store->series({named("dead"), match({{"instance", Matcher::Type::equal, "a"}})}, 0, INT64_MAX)
                  ->size() == 2);
        CHECK(store->labelValues("instance", {}, 0, INT64_MAX).value() ==
              std::vector<std::string>{"a", "b", "x"});
        CHECK(store->labelNames({named("dead")}, 0, start).value() ==
              std::vector<std::string>{"__name__", "instance"});
        CHECK(store->labelValues("__name__", {}, start + 1, INT64_MAX).value() ==
              std::vector<std::string>{"alive"});
        store.reset();
        store = openStore(withClock(dir.path("lapwing.db")));
    }
}

TEST_CASE("an archived series that comes back is the same series") {
    const test::TemporaryFolder dir;
    auto store = openStore(withClock(dir.path("lapwing.db")));
    const auto start = now.load();
    const auto series = one("back", "a");
    mustAppend(*store, {series, one("alive", "x")});
    passHour(*store, {"alive"});
    REQUIRE(active(*store) == 1);
    // What it had is known: a duplicate, a contradiction, and a sample that is too old.
    CHECK(mustAppend(*store, {series}).duplicates == 1);
    const auto refused = mustAppend(*store, {{series.labels, {{start, 2}, {start - 2 * kHour, 1}}}});
    CHECK(refused.refused == 2);
    CHECK(refused.reason == Refusal::out_of_order);
    CHECK(active(*store) == 2);
    CHECK(store->stats().series == 2);
    mustAppend(*store, {{series.labels, {{now, 3}}}});
    const auto all = std::to_string(start) + ":1 " + std::to_string(now) + ":3";
    CHECK(samplesOf(*store, named("back")) == all);
    SECTION("after a compaction, and once more in the archive") {
        REQUIRE(store->compact());
        CHECK(samplesOf(*store, named("back")) == all);
        passHour(*store, {"alive"});
        CHECK(active(*store) == 1);
    }
    SECTION("after kill -9, when only the log knows that it is back") {}
    store.reset();
    store = openStore(withClock(dir.path("lapwing.db")));
    CHECK(samplesOf(*store, named("back")) == all);
    CHECK(store->stats().series == 2);
}

TEST_CASE("a known series that was archived comes without labels, and is asked for them") {
    const test::TemporaryFolder dir;
    auto store = openStore(withClock(dir.path("lapwing.db")));
    const auto series = one("known", "a");
    std::vector<BatchSeries> batch{{0, &series.labels, series.samples}};
    REQUIRE(store->append(batch, "web-01"));
    const SeriesRef ref = batch[0].ref;
    passHour(*store, {"alive"});
    const std::vector<Sample> later{{now, 2}};
    batch = {{ref, nullptr, later}};
    CHECK(store->append(batch, "web-01")->gone == std::vector<std::size_t>{0});
    batch = {{0, &series.labels, later}};
    CHECK(store->append(batch, "web-01")->stored == 1);
    CHECK(batch[0].ref == ref);
}

TEST_CASE("readers of the log get the labels of archived series") {
    const test::TemporaryFolder dir;
    auto store = openStore(withClock(dir.path("lapwing.db")));
    REQUIRE(store->putLogCursor("mimir", 0));
    mustAppend(*store, {one("dead", "a")});
    passHour(*store, {});
    now += kHour;
    REQUIRE(store->compact());
    REQUIRE(active(*store) == 0);
    const auto entries = store->readLog(0, 100);
    REQUIRE(entries);
    REQUIRE(entries->size() == 1);
    REQUIRE(entries->at(0).series.at(0).labels);
    CHECK(entries->at(0).series[0].labels->toString() == "dead{instance=\"a\"}");
}

TEST_CASE("archived series are deleted on request, and expire") {
    const test::TemporaryFolder dir;
    auto options = withClock(dir.path("lapwing.db"));
    options.retention_ms = 2 * kDay;
    auto store = openStore(options);
    const auto start = now.load();
    mustAppend(*store, {one("dead", "a"),
                        one("dead", "b"),
                        one("kept", "c"),
                        {Labels{{"__name__", "info"}, {"digest", "abc"}}, {{now, 1}}}});
    REQUIRE(store->putDocument({"abc", "ruleset", "web-01", start - 3 * kDay, "text"}));
    passHour(*store, {"alive"});
    REQUIRE(active(*store) == 1);
    REQUIRE(store->deleteSeries({match({{"instance", Matcher::Type::equal, "a"}})}, 0, INT64_MAX));
    CHECK(store->stats().series == 4);
    CHECK(mustSelect(*store, named("dead"), 0, INT64_MAX).size() == 1);
    // A deletion of a part leaves the series, with the rest of its time.
    REQUIRE(store->deleteSeries({named("kept")}, start + 1, INT64_MAX));
    CHECK(samplesOf(*store, named("kept")) == std::to_string(start) + ":1");
    REQUIRE(store->expire());
    CHECK(store->document("abc")->has_value());
    now += 3 * kDay;
    mustAppend(*store, {one("alive", "x")});
    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(store->stats().series == 1);
    CHECK_FALSE(store->document("abc")->has_value());
    store.reset();
    store = openStore(options);
    CHECK(store->stats().series == 1);
    CHECK(mustAppend(*store, {one("dead", "b")}).stored == 1);
}

TEST_CASE("no query misses a series that is archived or comes back at the moment") {
    const test::TemporaryFolder dir;
    auto store = openStore(withClock(dir.path("lapwing.db")));
    constexpr std::size_t count = 50;
    const auto batch = [] {
        std::vector<TimeSeries> out;
        for (std::size_t i = 0; i < count; ++i) {
            out.push_back(one("moving", std::to_string(i)));
        }
        return out;
    };
    mustAppend(*store, batch());
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> queries{0};
    std::atomic<std::size_t> wrong{0};
    std::thread reader([&] {
        while (!stop) {
            const auto found = store->select(named("moving"), 0, INT64_MAX, 1'000'000);
            const auto listed = store->series({named("moving")}, 0, INT64_MAX);
            wrong += !found || found->size() != count || !listed || listed->size() != count ? 1 : 0;
            ++queries;
        }
    });
    for (int round = 0; round < 20; ++round) {
        REQUIRE(store->compact());
        now += kHour + 1000;
        REQUIRE(store->compact());
        CHECK(active(*store) == 0);
        mustAppend(*store, batch());
    }
    stop = true;
    reader.join();
    CHECK(wrong == 0);
    CHECK(queries > 0);
}

TEST_CASE("a host with churn of 18,000 series a day leaves room to others for ever") {
    const test::TemporaryFolder dir;
    auto options = withClock(dir.path("lapwing.db"));
    options.retention_ms = 10 * kDay;
    options.limits.series = 5000;
    options.limits.agent_series = 4000;
    auto store = openStore(options);
    constexpr int per_hour = 750;
    std::size_t most = 0;
    std::uint64_t refused = 0;
    for (int hour = 0; hour < 13 * 24; ++hour) {
        std::vector<TimeSeries> batch;
        for (int i = 0; i < per_hour; ++i) {
            batch.push_back({Labels{{"__name__", "churn"},
                                    {"agent", "web-01"},
                                    {"pod", std::to_string(hour) + "-" + std::to_string(i)}},
                             {{now, 1}}});
        }
        const auto stored = store->append(batch, "web-01");
        REQUIRE(stored);
        refused += stored->refused;
        REQUIRE(store->compact());
        now += kHour;
        most = std::max(most, active(*store));
        if (hour % 24 == 0) {
            REQUIRE(store->expire());
        }
    }
    CHECK(refused == 0);
    CHECK(most <= 3 * per_hour);
    // Eleven days: the last of them expires as a whole.
    CHECK(store->stats().series <= 11U * 24 * per_hour + 2 * per_hour);
    const auto newcomer = store->append({one("up", "new-host")}, "new-host");
    REQUIRE(newcomer);
    CHECK(newcomer->stored == 1);
}

}  // namespace
}  // namespace lapwing::storage
