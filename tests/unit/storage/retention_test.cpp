#include "tests/unit/storage/support.h"

namespace lapwing::storage {
namespace {

constexpr TimestampMs kHour = 3'600'000;
TimestampMs clock_now = 0;  // NOLINT: the clock is a plain function

StoreOptions withRetention(const std::string& path, std::int64_t hours) {
    auto options = keepEverything(path);
    options.retention_ms = hours * kHour;
    options.out_of_order_ms = 1000 * kHour;
    options.clock = [] { return clock_now; };
    return options;
}

const Labels kOld{{"__name__", "old"}, {"agent", "gone"}, {"digest", "aa"}};
const Labels kLive{{"__name__", "live"}, {"agent", "web-01"}, {"digest", "bb"}};

TEST_CASE("what is past its retention goes: windows, series, documents") {
    const TempDir dir;
    clock_now = 100 * kHour;
    auto store = openStore(withRetention(dir.file(), 10));
    std::vector<Sample> samples;
    for (int h = 50; h <= 100; ++h) samples.push_back({h * kHour, static_cast<double>(h)});
    mustAppend(*store, {{kOld, {{50 * kHour, 1}, {51 * kHour, 1}}}, {kLive, samples}});
    REQUIRE(store->putDocument({"aa", "ruleset", "gone", 50 * kHour, "old"}));
    REQUIRE(store->putDocument({"bb", "ruleset", "web-01", 50 * kHour, "named by a series that lives"}));
    REQUIRE(store->putDocument({"cc", "ruleset", "web-01", 99 * kHour, "new"}));

    // Not compacted yet: the log's replay needs the series.
    REQUIRE(store->expire());
    CHECK(store->stats().series == 2);
    store.reset();
    store = openStore(withRetention(dir.file(), 10));
    CHECK(store->stats().series == 2);

    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(store->stats().series == 1);
    CHECK(samplesOf(*store, named("old")) == "none");
    const auto live = mustSelect(*store, named("live"), 0, INT64_MAX);
    REQUIRE(live.size() == 1);
    // 90 h is the limit; windows are of two hours and go whole.
    CHECK(live[0].samples.front().timestamp == 90 * kHour);
    CHECK(live[0].samples.size() == 11);
    CHECK(store->labelValues("agent", {}, 0, INT64_MAX).value() == std::vector<std::string>{"web-01"});
    CHECK(!store->document("aa").value());
    CHECK(store->document("bb").value());
    CHECK(store->document("cc").value());

    store.reset();
    store = openStore(withRetention(dir.file(), 10));
    CHECK(store->stats().series == 1);
    // The series may come back, and new ones may be made.
    mustAppend(*store, {{kOld, {{100 * kHour, 7}}}, {Labels{{"__name__", "new"}}, {{100 * kHour, 8}}}});
    REQUIRE(store->compact());
    CHECK(samplesOf(*store, named("old")) == "360000000:7");
    CHECK(samplesOf(*store, named("new")) == "360000000:8");
    clock_now = 200 * kHour;
    REQUIRE(store->expire());
    CHECK(store->stats().series == 0);
    CHECK(mustSelect(*store, {}, 0, INT64_MAX).empty());
    mustAppend(*store, {{kLive, {{200 * kHour, 3}}}});
    CHECK(samplesOf(*store, named("live")) == "720000000:3");
}

TEST_CASE("without a retention everything stays") {
    const TempDir dir;
    clock_now = 1'000'000 * kHour;
    auto store = openStore(withRetention(dir.file(), 0));
    mustAppend(*store, {{kOld, {{0, 1}}}});
    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(samplesOf(*store, named("old")) == "0:1");
}

}  // namespace
}  // namespace lapwing::storage
