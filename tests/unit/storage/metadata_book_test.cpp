#include "collector/ingest/metadata_book.h"

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::ingest {
namespace {

using storage::openStore;
using test::TemporaryFolder;

const MetricMetadata kUp{"up", "gauge", "1 if it is up.", ""};

double metric(const MetadataBook& book, const std::string& name) {
    std::vector<prometheus::MetricFamily> families;
    book.addMetrics(families);
    for (const auto& family : families) {
        if (family.name != name) {
            continue;
        }
        const auto& one = family.metric.front();
        return family.type == prometheus::MetricType::Counter ? one.counter.value : one.gauge.value;
    }
    return -1;
}

TEST_CASE("metadata survives a restart") {
    const test::TemporaryFolder dir;
    {
        auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
        MetadataBook book(*store);
        REQUIRE(book.load());
        CHECK(book.list().empty());
        book.note({kUp, {"x", "counter", "", "seconds"}, kUp});
        REQUIRE(book.save());
    }
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    MetadataBook book(*store);
    REQUIRE(book.load());
    CHECK(book.list().size() == 2);
    CHECK(book.list("up").at("up") == std::vector<MetricMetadata>{kUp});
    CHECK(book.list("y").empty());
    CHECK(metric(book, "lapwing_collector_metadata_families") == 2);
}

TEST_CASE("the newest four of differing statements are kept") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    MetadataBook book(*store);
    for (int i = 0; i < 6; ++i) {
        book.note({{"up", "gauge", std::to_string(i), ""}});
    }
    const auto kept = book.list().at("up");
    REQUIRE(kept.size() == 4);
    CHECK(kept.front().help == "2");
    CHECK(kept.back().help == "5");
}

TEST_CASE("metadata is bounded, and dropped metadata is counted") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    MetadataBook book(*store);
    const std::string help(4000, 'x');
    for (int i = 0; i < 2000; ++i) {
        book.note({{"m" + std::to_string(i), "gauge", help, ""}});
    }
    CHECK(metric(book, "lapwing_collector_metadata_families") < 1100);
    CHECK(metric(book, "lapwing_collector_metadata_dropped_total") > 900);
    REQUIRE(book.save());
    MetadataBook again(*store);
    REQUIRE(again.load());
    CHECK(again.list() == book.list());
}

TEST_CASE("saved metadata that cannot be read is an error, and an empty book") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    REQUIRE(store->putState("metric_metadata", "damaged"));
    MetadataBook book(*store);
    CHECK_FALSE(book.load());
    book.note({kUp});
    REQUIRE(book.save());
    REQUIRE(book.load());
}

}  // namespace
}  // namespace lapwing::ingest
