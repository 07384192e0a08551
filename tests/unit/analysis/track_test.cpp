#include "collector/analysis/replication/lag.h"
#include "tests/unit/catch.h"

namespace {

using namespace lapwing::analysis::evidence;
using namespace lapwing::analysis::replication;

Track steps(std::initializer_list<Track::Point> points) {
    Track track;
    for (const auto& point : points) {
        track.add(point.at, point.value);
    }
    return track;
}

}  // namespace

TEST_CASE("A track keeps the first and the last point of a standstill") {
    const auto track = steps({{1000, 5}, {2000, 5}, {3000, 5}, {4000, 6}, {5000, 6}, {6000, 6}});
    REQUIRE(track.points().size() == 4);
    CHECK(track.points()[1].at == 3000);
    CHECK(track.last().at == 6000);
    CHECK(track.standingSince() == 4000);
    CHECK(track.valueAt(999) == std::nullopt);
    CHECK(track.valueAt(3500) == 5);
    CHECK(track.valueAt(9000) == 6);
}

TEST_CASE("A smaller value restarts a track, and an earlier time corrects it") {
    auto track = steps({{1000, 5}, {2000, 9}});
    track.add(3000, 2);
    REQUIRE(track.points().size() == 1);
    CHECK(track.first().value == 2);
    track = steps({{1000, 5}, {2000, 9}, {3000, 10}});
    track.add(1500, 10);
    REQUIRE(track.points().size() == 2);
    CHECK(track.last().at == 1500);
}

TEST_CASE("thin() drops old points and keeps the last one") {
    Track track;
    for (int i = 0; i < 100; ++i) {
        track.add(i * 1000, i);
    }
    track.thin(20'000, 60'000);
    CHECK(track.first().at == 20'000);
    CHECK(track.valueAt(59'000) == 50);
    CHECK(track.valueAt(61'000) == 61);
    CHECK(track.last().value == 99);
    track.thin(1'000'000, 1'000'000);
    REQUIRE(track.points().size() == 1);
}

TEST_CASE("The lag of a position behind a track") {
    const auto track = steps({{1000, 10}, {2000, 10}, {3000, 12}, {4000, 20}});
    // The position equals the last observation. Later writes are unknown.
    const auto even = lagBehind(track, 20, 4700);
    REQUIRE(even);
    CHECK(even->guess == 0);
    CHECK(even->high == 0.7);
    // The 11th was committed between 2 s and 3 s, by interpolation a quarter into that second.
    const auto late = lagBehind(track, 10, 10'000);
    REQUIRE(late);
    CHECK(late->low == 7);
    CHECK(late->high == 8);
    CHECK(late->guess == 7.75);
    // Later observations do not count.
    CHECK(lagBehind(track, 10, 2500)->guess == 0);
    // The position was behind before the first observation.
    CHECK_FALSE(lagBehind(track, 9, 10'000));
    CHECK_FALSE(lagBehind(Track(), 9, 10'000));
}

TEST_CASE("Bytes behind, within a file and over several") {
    Database primary;
    primary.written =
        steps({{1000, coordinate(3, 900)}, {2000, coordinate(3, 1000)}, {3000, coordinate(4, 400)}});
    primary.written_bytes = steps({{1000, 0}, {2000, 100}, {3000, 600}});
    CHECK(bytesBehind(primary, steps({{3000, coordinate(4, 150)}}), 3000) == 250.0);
    CHECK(bytesBehind(primary, steps({{3000, coordinate(3, 950)}}), 3000) == 550.0);
    CHECK(bytesBehind(primary, steps({{3000, coordinate(4, 400)}}), 3000) == 0.0);
    CHECK(bytesBehind(primary, steps({{3000, coordinate(2, 1)}}), 3000) == std::nullopt);
    CHECK(bytesBehind(primary, Track(), 3000) == std::nullopt);
}
