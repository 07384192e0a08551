#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr TimestampMs kHour = 3'600'000;

Labels labelsOf(int series, const char* agent = "a") {
    return Labels{{"__name__", "m" + std::to_string(series)}, {"agent", agent}};
}

/// Series m0 to m4 with a sample each hour from 0 to 20; the value is the hour.
void fill(SqliteStore& store) {
    for (int s = 0; s < 5; ++s) {
        std::vector<Sample> samples;
        for (int h = 0; h <= 20; ++h) {
            samples.push_back({h * kHour, static_cast<double>(h)});
        }
        mustAppend(store, {{labelsOf(s), samples}});
    }
}

std::string hoursOf(const Store& store, const char* name) {
    std::string out;
    const auto found = mustSelect(store, named(name), 0, INT64_MAX);
    if (found.empty()) {
        return "none";
    }
    for (const auto& sample : found.at(0).samples) {
        const auto hour = sample.timestamp / kHour;
        CHECK(sample.value == static_cast<double>(hour));
        out += (out.empty() ? "" : " ") + std::to_string(hour);
    }
    return out;
}

TEST_CASE("a range of time is deleted from blocks, the head and the log, durably") {
    const bool compacted = GENERATE(false, true);
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    fill(*store);
    if (compacted) {
        REQUIRE(store->compact());
    }
    REQUIRE(store->deleteSeries({named("m1"), named("m2")}, 3 * kHour, 17 * kHour));
    for (int pass = 0; pass < 2; ++pass) {
        CHECK(hoursOf(*store, "m1") == "0 1 2 18 19 20");
        CHECK(hoursOf(*store, "m2") == "0 1 2 18 19 20");
        CHECK(hoursOf(*store, "m0") == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
        CHECK(hoursOf(*store, "m4") == hoursOf(*store, "m0"));
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
    }
}

TEST_CASE("a series without any sample left is deleted, and may come again") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    fill(*store);
    REQUIRE(store->deleteSeries({named("m3")}, 0, INT64_MAX));
    for (int pass = 0; pass < 2; ++pass) {
        CHECK(store->stats().series == 4);
        CHECK(hoursOf(*store, "m3") == "none");
        CHECK(store->labelValues("__name__", {}, 0, INT64_MAX).value() ==
              std::vector<std::string>{"m0", "m1", "m2", "m4"});
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
    }
    // The out-of-order limit starts again.
    mustAppend(*store, {{labelsOf(3), {{2 * kHour, 2}}}});
    CHECK(hoursOf(*store, "m3") == "2");
    REQUIRE(store->deleteSeries({{Matcher::create(Matcher::Type::regex, "__name__", "m.*").value()}}, 0,
                                INT64_MAX));
    CHECK(store->stats().series == 0);
    CHECK(mustSelect(*store, {}, 0, INT64_MAX).empty());
    mustAppend(*store, {{labelsOf(9), {{1 * kHour, 1}}}});
    CHECK(hoursOf(*store, "m9") == "1");
}

TEST_CASE("after samples of a wrong clock are deleted, samples of the right clock are accepted") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    fill(*store);
    mustAppend(*store, {{labelsOf(0), {{500 * kHour, 500}}}});
    CHECK(mustAppend(*store, {{labelsOf(0), {{21 * kHour, 21}}}}).refused == 1);
    REQUIRE(store->deleteSeries({named("m0")}, 100 * kHour, INT64_MAX));
    CHECK(mustAppend(*store, {{labelsOf(0), {{21 * kHour, 21}}}}).stored == 1);
    // Deleted times can be written again, with other values, within the out-of-order window.
    REQUIRE(store->deleteSeries({named("m0")}, 21 * kHour, 21 * kHour));
    CHECK(mustAppend(*store, {{labelsOf(0), {{21 * kHour, 21}}}}).stored == 1);
    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(hoursOf(*store, "m0") == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21");
    CHECK(mustAppend(*store, {{labelsOf(0), {{19 * kHour, 7}}}}).refused == 1);
}

TEST_CASE("the beginning of a series can be deleted, a deletion that matches nothing changes nothing") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    fill(*store);
    REQUIRE(store->deleteSeries({named("m0")}, 0, 7 * kHour));
    CHECK(hoursOf(*store, "m0") == "8 9 10 11 12 13 14 15 16 17 18 19 20");
    CHECK(store->series({named("m0")}, 0, 7 * kHour).value().empty());
    REQUIRE(store->deleteSeries({named("nothing")}, 0, INT64_MAX));
    REQUIRE(store->deleteSeries({named("m1")}, 300 * kHour, INT64_MAX));
    CHECK(store->stats().series == 5);
    const auto without = store->deleteSeries({}, 0, INT64_MAX);
    REQUIRE(!without);
    CHECK(without.error().kind == ErrorKind::invalid);
    CHECK(store->stats().series == 5);
}

TEST_CASE("the room of deleted samples is used again or returned to the file system") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto write = [&] {
        std::vector<Sample> samples;
        for (int i = 0; i < 150'000; ++i) {
            samples.push_back({i * 1000, 1.0 / (i + 3)});
        }
        mustAppend(*store, {{labelsOf(0), samples}});
        REQUIRE(store->compact());
    };
    fill(*store);
    write();
    REQUIRE(store->deleteSeries({named("m0")}, 0, INT64_MAX));
    write();
    store.reset();
    const auto full = std::filesystem::file_size(dir.path("lapwing.db"));
    for (int round = 0; round < 3; ++round) {
        store = openStore(keepEverything(dir.path("lapwing.db")));
        REQUIRE(store->deleteSeries({named("m0")}, 0, INT64_MAX));
        write();
        store.reset();
        CHECK(std::filesystem::file_size(dir.path("lapwing.db")) < full + full / 8);
    }
    store = openStore(keepEverything(dir.path("lapwing.db")));
    REQUIRE(store->deleteSeries({named("m0")}, 0, INT64_MAX));
    CHECK(hoursOf(*store, "m1") == "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
    store.reset();
    CHECK(std::filesystem::file_size(dir.path("lapwing.db")) < full / 2);
}

}  // namespace
}  // namespace lapwing::storage
