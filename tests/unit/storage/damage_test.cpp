#include <sqlite3.h>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr TimestampMs kWindow = 7'200'000;
const char* const kFirstDamaged =
    "the block of group 1 for the two hours from 1970-01-01T00:00:00Z is damaged";

void sql(const std::string& path, const char* statements) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, statements, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

Labels labelsOf(const char* name, const char* agent) {
    return Labels{{"__name__", name}, {"agent", agent}};
}

/// Two series of host a and one of host b, in blocks: a sample each minute over three windows.
std::unique_ptr<SqliteStore> filled(const std::string& path) {
    auto store = openStore(keepEverything(path));
    for (const auto& labels : {labelsOf("x", "a"), labelsOf("y", "a"), labelsOf("z", "b")}) {
        std::vector<Sample> samples;
        for (int i = 0; i < 360; ++i) {
            samples.push_back({i * 60'000, 1.0 / (i + 1)});
        }
        mustAppend(*store, {{labels, samples}});
    }
    REQUIRE(store->compact());
    return store;
}

std::string errorOf(const Store& store, const char* name, TimestampMs from = 0, TimestampMs to = INT64_MAX) {
    const auto found = store.select(named(name), from, to, 1'000'000);
    return found ? "" : found.error().message;
}

TEST_CASE("only queries that need a damaged block fail, and they name it") {
    const test::TemporaryFolder dir;
    auto store = filled(dir.path("lapwing.db"));
    sql(dir.path("lapwing.db"), "UPDATE chunks SET data = x'00' WHERE id = 1");
    CHECK(errorOf(*store, "x") == kFirstDamaged);
    CHECK(errorOf(*store, "x", kWindow).empty());
    CHECK(mustSelect(*store, named("x"), kWindow, INT64_MAX).at(0).samples.size() == 240);
    CHECK(mustSelect(*store, named("z"), 0, INT64_MAX).at(0).samples.size() == 360);
}

TEST_CASE("new samples are stored beside a damaged block, and can be read") {
    const test::TemporaryFolder dir;
    auto store = filled(dir.path("lapwing.db"));
    sql(dir.path("lapwing.db"), "UPDATE chunks SET data = x'00' WHERE id = 1");
    const auto late = mustAppend(*store, {{labelsOf("new", "a"), {{500, 1}, {kWindow, 2}}},
                                          {labelsOf("x", "a"), {{21'599'500, 5}}},
                                          {labelsOf("z", "b"), {{21'599'500, 5}}}});
    CHECK(late.stored == 4);
    REQUIRE(store->compact());
    CHECK(store->stats().trouble.empty());
    for (int pass = 0; pass < 2; ++pass) {
        CHECK(store->stats().damaged_blocks == 1);
        CHECK(errorOf(*store, "x") == kFirstDamaged);
        CHECK(errorOf(*store, "new") == kFirstDamaged);
        CHECK(samplesOf(*store, named("new"), kWindow) == "7200000:2");
        CHECK(mustSelect(*store, named("x"), kWindow, INT64_MAX).at(0).samples.size() == 241);
        CHECK(mustSelect(*store, named("z"), 0, INT64_MAX).at(0).samples.size() == 361);
        // All samples are in blocks: the log is short again.
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
    }
    // A deletion of the block's whole window deletes it too; other blocks stay.
    const auto part = store->deleteSeries({named("x")}, 1000, 2000);
    REQUIRE(!part);
    CHECK(part.error().message == kFirstDamaged);
    REQUIRE(store->deleteSeries({named("x")}, 0, kWindow - 1));
    CHECK(store->stats().damaged_blocks == 0);
    CHECK(samplesOf(*store, named("new")) == "500:1 7200000:2");
    CHECK(mustSelect(*store, named("x"), 0, INT64_MAX).at(0).samples.size() == 241);
}

TEST_CASE("intact series of a block that was set aside can still be read") {
    const test::TemporaryFolder dir;
    auto store = filled(dir.path("lapwing.db"));
    // The last bytes are values of y.
    sql(dir.path("lapwing.db"),
        "UPDATE chunks SET data = CAST(substr(data, 1, length(data) - 4) || x'a5a5a5a5' AS BLOB) WHERE id = "
        "1");
    CHECK(errorOf(*store, "y") == kFirstDamaged);
    CHECK(mustSelect(*store, named("x"), 0, INT64_MAX).at(0).samples.size() == 360);
    // A compaction that does not decode the damaged values leaves the block in place.
    auto options = keepEverything(dir.path("lapwing.db"));
    store.reset();
    options.out_of_order_ms = 100 * kWindow;
    store = openStore(options);
    mustAppend(*store, {{labelsOf("x", "a"), {{500, 7}}}});
    REQUIRE(store->compact());
    CHECK(store->stats().damaged_blocks == 0);
    CHECK(mustSelect(*store, named("x"), 0, INT64_MAX).at(0).samples.size() == 361);
    CHECK(errorOf(*store, "y") == kFirstDamaged);
    mustAppend(*store, {{labelsOf("y", "a"), {{500, 7}}}});
    REQUIRE(store->compact());
    CHECK(store->stats().damaged_blocks == 1);
    CHECK(mustSelect(*store, named("x"), 0, INT64_MAX).at(0).samples.size() == 361);
    CHECK(errorOf(*store, "y") == kFirstDamaged);
    CHECK(errorOf(*store, "y", kWindow).empty());
}

TEST_CASE("retention deletes damaged blocks") {
    const test::TemporaryFolder dir;
    filled(dir.path("lapwing.db")).reset();
    auto options = keepEverything(dir.path("lapwing.db"));
    options.retention_ms = 2 * kWindow;
    options.out_of_order_ms = 100 * kWindow;
    TimestampMs expiry = 2 * kWindow;
    options.expiry_clock = [&expiry] { return expiry; };
    auto store = openStore(options);
    sql(dir.path("lapwing.db"), "UPDATE chunks SET data = x'00' WHERE id = 1");
    mustAppend(*store, {{labelsOf("x", "a"), {{500, 7}, {4 * kWindow, 8}}}});
    REQUIRE(store->compact());
    REQUIRE(store->stats().damaged_blocks == 1);
    expiry = 5 * kWindow;
    REQUIRE(store->expire());
    CHECK(store->stats().damaged_blocks == 0);
    CHECK(samplesOf(*store, named("x")) == std::to_string(4 * kWindow) + ":8");
}

}  // namespace
}  // namespace lapwing::storage
