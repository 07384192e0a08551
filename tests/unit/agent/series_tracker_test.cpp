#include "agent/runner/series_tracker.h"

#include "tests/unit/catch.h"

using lapwing::isStaleNaN;
using lapwing::Labels;
using lapwing::TimeSeries;
using lapwing::agent::SeriesTracker;

namespace {

std::vector<TimeSeries> series(std::initializer_list<const char*> names) {
    std::vector<TimeSeries> out;
    for (const char* name : names) out.push_back({Labels{{"__name__", name}}, {{1, 1.0}}});
    return out;
}

}  // namespace

TEST_CASE("a series that vanishes ends once, and may come back") {
    SeriesTracker tracker;
    auto first = series({"a", "b"});
    tracker.finish(first, 10);
    CHECK(first.size() == 2);

    auto second = series({"a"});
    tracker.finish(second, 20);
    REQUIRE(second.size() == 2);
    CHECK(second[1].labels.metricName() == "b");
    REQUIRE(second[1].samples.size() == 1);
    CHECK(second[1].samples[0].timestamp == 20);
    CHECK(isStaleNaN(second[1].samples[0].value));

    auto third = series({"a"});
    tracker.finish(third, 30);
    CHECK(third.size() == 1);
    auto fourth = series({"a", "b"});
    tracker.finish(fourth, 40);
    CHECK(fourth.size() == 2);
}

TEST_CASE("a partial run ends nothing; the next whole one does") {
    SeriesTracker tracker;
    auto whole = series({"a", "b"});
    tracker.finish(whole, 10);
    auto part = series({"a", "c"});
    tracker.keep(part);
    CHECK(part.size() == 2);
    auto last = series({"a"});
    tracker.finish(last, 30);
    REQUIRE(last.size() == 3);
    CHECK(isStaleNaN(last[1].samples[0].value));
    CHECK(isStaleNaN(last[2].samples[0].value));
}
