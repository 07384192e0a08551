#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

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

TEST_CASE("retention counts from the expiry clock, and tells what it deletes") {
    const test::TemporaryFolder dir;
    clock_now = 10'000 * kHour;  // a year ahead
    auto options = withRetention(dir.path("lapwing.db"), 10);
    TimestampMs expiry = 100 * kHour;
    options.expiry_clock = [&expiry] { return expiry; };
    auto store = openStore(options);
    std::vector<Sample> samples;
    for (int h = 90; h <= 100; ++h) {
        samples.push_back({h * kHour, static_cast<double>(h)});
    }
    mustAppend(*store, {{kLive, samples}});
    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(mustSelect(*store, named("live"), 0, INT64_MAX).at(0).samples.size() == 11);
    CHECK(store->stats().age_dropped_before == 0);
    expiry = 104 * kHour;
    REQUIRE(store->expire());
    CHECK(mustSelect(*store, named("live"), 0, INT64_MAX).at(0).samples.size() == 7);
    CHECK(store->stats().age_dropped_before == 94 * kHour);
    CHECK(store->stats().age_dropped_samples == 4);
}

TEST_CASE("samples before the retention time are refused and make no series") {
    const test::TemporaryFolder dir;
    clock_now = 100 * kHour;
    auto store = openStore(withRetention(dir.path("lapwing.db"), 10));
    const auto append = [&](const Labels& labels, std::vector<Sample> samples) {
        const auto result = store->append({{labels, std::move(samples)}});
        REQUIRE(result.has_value());
        return *result;
    };
    auto refused = append(kOld, {{50 * kHour, 1}, {0, 1}});
    CHECK(refused.refused == 2);
    CHECK(refused.refused_times == 2);
    CHECK(refused.first_refusal.ends_with("its time is before the retention time"));
    CHECK(store->stats().series == 0);
    // The limit is 90 h, where a window begins.
    refused = append(kLive, {{50 * kHour, 1}, {89 * kHour, 1}, {90 * kHour, 1}, {100 * kHour, 1}});
    CHECK(refused.stored == 2);
    CHECK(refused.refused == 2);
    CHECK(refused.refused_times == 2);
    // A known series has an earlier sample only within the retention.
    refused = append(kLive, {{80 * kHour, 1}, {95 * kHour, 1}});
    CHECK(refused.stored == 1);
    CHECK(refused.refused_times == 1);
    CHECK(samplesOf(*store, named("live")) == "324000000:1 342000000:1 360000000:1");
    CHECK(store->stats().series == 1);
}

TEST_CASE("windows, series and documents past their retention are deleted") {
    const test::TemporaryFolder dir;
    clock_now = 55 * kHour;
    auto store = openStore(withRetention(dir.path("lapwing.db"), 10));
    std::vector<Sample> samples;
    for (int h = 50; h <= 100; ++h) {
        samples.push_back({h * kHour, static_cast<double>(h)});
    }
    mustAppend(*store, {{kOld, {{50 * kHour, 1}, {51 * kHour, 1}}}, {kLive, samples}});
    clock_now = 100 * kHour;
    REQUIRE(store->putDocument({"aa", "ruleset", "gone", 50 * kHour, "old"}));
    REQUIRE(store->putDocument({"bb", "ruleset", "web-01", 50 * kHour, "named by a series that lives"}));
    REQUIRE(store->putDocument({"cc", "ruleset", "web-01", 99 * kHour, "new"}));

    // Before the compaction the log's replay needs the series.
    REQUIRE(store->expire());
    CHECK(store->stats().series == 2);
    store.reset();
    store = openStore(withRetention(dir.path("lapwing.db"), 10));
    CHECK(store->stats().series == 2);

    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(store->stats().series == 1);
    CHECK(samplesOf(*store, named("old")) == "none");
    const auto live = mustSelect(*store, named("live"), 0, INT64_MAX);
    REQUIRE(live.size() == 1);
    // The limit is 90 h. A window has two hours and is deleted as a whole.
    CHECK(live[0].samples.front().timestamp == 90 * kHour);
    CHECK(live[0].samples.size() == 11);
    CHECK(store->labelValues("agent", {}, 0, INT64_MAX).value() == std::vector<std::string>{"web-01"});
    CHECK(!store->document("aa").value());
    CHECK(store->document("bb").value());
    CHECK(store->document("cc").value());

    store.reset();
    store = openStore(withRetention(dir.path("lapwing.db"), 10));
    CHECK(store->stats().series == 1);
    // The series may come back, and new series may be created.
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
    const test::TemporaryFolder dir;
    clock_now = 1'000'000 * kHour;
    auto store = openStore(withRetention(dir.path("lapwing.db"), 0));
    mustAppend(*store, {{kOld, {{0, 1}}}});
    REQUIRE(store->compact());
    REQUIRE(store->expire());
    CHECK(samplesOf(*store, named("old")) == "0:1");
}

/// Appends samples of ten series that do not compress, every second between two hours.
void fillHours(SqliteStore& store, int from, int to) {
    for (int h = from; h < to; ++h) {
        std::vector<TimeSeries> batch;
        for (int s = 0; s < 10; ++s) {
            std::vector<Sample> samples;
            for (int i = 0; i < 3600; ++i) {
                samples.push_back({h * kHour + i * 1000, 1.0 / (i + 7.0 * s + h + 3)});
            }
            batch.push_back({Labels{{"__name__", "m" + std::to_string(s)}, {"agent", "web-01"}}, samples});
        }
        mustAppend(store, batch);
        REQUIRE(store.compact());
    }
}

TEST_CASE("retention by size deletes the oldest windows, never the newest, and the file fits") {
    constexpr std::int64_t size = 4 << 20;
    const test::TemporaryFolder dir;
    auto options = withRetention(dir.path("lapwing.db"), 0);
    options.retention_bytes = size;
    auto store = openStore(options);
    mustAppend(*store, {{kOld, {{0, 1}}}});
    fillHours(*store, 0, 40);
    store.reset();
    const auto unlimited = std::filesystem::file_size(dir.path("lapwing.db"));
    REQUIRE(unlimited > 2 * size);

    store = openStore(options);
    REQUIRE(store->expire());
    const auto stats = store->stats();
    CHECK(stats.series == 10);
    CHECK(stats.size_dropped_before % (2 * kHour) == 0);
    CHECK(stats.size_dropped_before > 20 * kHour);
    CHECK(stats.size_dropped_before < 40 * kHour);
    // All dropped samples are counted, and all of them are before that time.
    CHECK(stats.size_dropped_samples ==
          static_cast<std::uint64_t>(stats.size_dropped_before / 1000 * 10) + 1);
    std::size_t left = 0;
    for (const auto& one : mustSelect(*store, {}, 0, INT64_MAX)) {
        CHECK(one.samples.front().timestamp == stats.size_dropped_before);
        left += one.samples.size();
    }
    CHECK(left == 40 * 3600 * 10 - (stats.size_dropped_samples - 1));
    store.reset();
    const auto limited = std::filesystem::file_size(dir.path("lapwing.db"));
    CHECK(limited <= size);
    CHECK(limited > size / 2);

    // A single window that is too large stays.
    options.retention_bytes = 1;
    store = openStore(options);
    REQUIRE(store->expire());
    CHECK(mustSelect(*store, named("m0"), 0, INT64_MAX).at(0).samples.size() == 7200);
    CHECK(store->stats().size_dropped_before == 38 * kHour);
}

/// A small file system; absent without the right to mount.
struct SmallDisk {
    std::string path;
    bool mounted = false;
    explicit SmallDisk(std::string at) : path(std::move(at)) {
        std::filesystem::create_directory(path);
        mounted = ::geteuid() == 0 && ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=16m") == 0;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted) {
            ::umount2(path.c_str(), MNT_DETACH);
        }
    }
};

TEST_CASE("retention by size works on a disk that is full", "[root]") {
    const test::TemporaryFolder dir;
    const SmallDisk small(dir.path("disk"));
    const auto& disk = small.path;
    if (!small.mounted) {
        test::skip("it needs root to mount a small file system");
    }
    {
        auto options = withRetention(disk + "/lapwing.db", 0);
        auto store = openStore(options);
        fillHours(*store, 0, 24);
        store.reset();
        std::ofstream ballast(disk + "/ballast", std::ios::binary);
        const std::string block(4096, 'x');
        while (ballast << block << std::flush) {
        }
        ballast.close();
        std::error_code error;
        REQUIRE(std::filesystem::space(disk, error).available < 8192);
        // Room for the WAL's index, which SQLite creates again, and for a few pages.
        std::filesystem::resize_file(disk + "/ballast",
                                     std::filesystem::file_size(disk + "/ballast") - 200'000);
        options.retention_bytes = 4 << 20;
        store = openStore(options);
        const auto expired = store->expire();
        if (!expired) {
            FAIL(expired.error().message);
        }
        CHECK(store->stats().size_dropped_samples > 0);
        // The store goes on within its limit.
        fillHours(*store, 24, 26);
        CHECK(mustSelect(*store, named("m3"), 24 * kHour, INT64_MAX).at(0).samples.size() == 7200);
    }
}

}  // namespace
}  // namespace lapwing::storage
