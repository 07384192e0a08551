#include "agent/runner/series_tracker.h"

#include "tests/unit/catch.h"

using lapwing::isStaleNaN;
using lapwing::Labels;
using lapwing::TimeSeries;
using lapwing::agent::SeriesTracker;

namespace {

std::vector<TimeSeries> series(std::initializer_list<const char*> names) {
    std::vector<TimeSeries> out;
    for (const char* name : names) {
        out.push_back({Labels{{"__name__", name}}, {{1, 1.0}}});
    }
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

TEST_CASE("a partial run does not end the series of whole runs, the next whole run does") {
    SeriesTracker tracker;
    auto whole = series({"a", "b"});
    tracker.finish(whole, 10);
    auto part = series({"a", "c"});
    tracker.finishPart(part, 20);
    CHECK(part.size() == 2);
    auto last = series({"a"});
    tracker.finish(last, 30);
    REQUIRE(last.size() == 3);
    CHECK(isStaleNaN(last[1].samples[0].value));
    CHECK(isStaleNaN(last[2].samples[0].value));
}

TEST_CASE("a partial run ends missing series of the last partial run, even after a whole run") {
    SeriesTracker tracker;
    auto whole = series({"slow", "lag", "state"});
    tracker.finish(whole, 10);
    auto part = series({"lag", "state"});
    tracker.finishPart(part, 20);
    auto again = series({"slow", "lag", "state"});
    tracker.finish(again, 30);
    auto stopped = series({"state"});
    tracker.finishPart(stopped, 40);
    REQUIRE(stopped.size() == 2);
    CHECK(stopped[1].labels.metricName() == "lag");
    CHECK(stopped[1].samples[0].timestamp == 40);
    CHECK(isStaleNaN(stopped[1].samples[0].value));
    auto still = series({"state"});
    tracker.finishPart(still, 50);
    CHECK(still.size() == 1);
    auto last = series({"slow", "state"});
    tracker.finish(last, 60);
    CHECK(last.size() == 2);
}

TEST_CASE("three paces: each run ends the series of its own pace and of faster ones") {
    SeriesTracker tracker;
    auto whole = series({"second", "ten", "minute"});
    tracker.finish(whole, 10);
    auto first = series({"second"});
    tracker.finishPart(first, 11);
    auto deep = series({"second", "ten", "other"});
    tracker.finishPart(deep, 20, 1);
    CHECK(deep.size() == 3);

    SECTION("a run of depth 1 ends its own, not those of whole runs") {
        auto part = series({"second", "ten"});
        tracker.finishPart(part, 30, 1);
        REQUIRE(part.size() == 3);
        CHECK(part[2].labels.metricName() == "other");
        CHECK(isStaleNaN(part[2].samples[0].value));
    }
    SECTION("a run of depth 0 ends its own once, whatever slower runs have had it") {
        auto part = series({});
        tracker.finishPart(part, 21);
        REQUIRE(part.size() == 1);
        CHECK(part[0].labels.metricName() == "second");
        auto next = series({"ten", "other"});
        tracker.finishPart(next, 30, 1);
        CHECK(next.size() == 2);
        auto last = series({"ten", "other", "minute"});
        tracker.finish(last, 70);
        CHECK(last.size() == 3);
    }
    SECTION("a whole run ends all that it lacks, each once") {
        auto last = series({"ten"});
        tracker.finish(last, 70);
        REQUIRE(last.size() == 4);
        auto after = series({"ten"});
        tracker.finishPart(after, 80, 1);
        CHECK(after.size() == 1);
    }
}

TEST_CASE("series of a depth that no probe has count as those of depth 1") {
    SeriesTracker tracker;
    auto whole = series({"a", "b"});
    tracker.finish(whole, 10);
    auto part = series({"a"});
    tracker.finishPart(part, 20, 7);
    CHECK(part.size() == 1);
}
