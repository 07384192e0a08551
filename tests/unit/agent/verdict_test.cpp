#include "agent/delivery/verdict.h"

#include "agent/delivery/clock_offset.h"
#include "tests/unit/catch.h"

using namespace std::chrono_literals;
using lapwing::agent::ClockOffset;
using lapwing::agent::parseLapwingTime;
using lapwing::agent::Verdict;
using lapwing::agent::verdictOf;

TEST_CASE("the consequence of an answer") {
    for (const int status : {200, 202, 204}) {
        CHECK(verdictOf(status, 1) == Verdict::stored);
    }
    for (const int status : {408, 429, 500, 502, 503, 599}) {
        CHECK(verdictOf(status, 1) == Verdict::again);
    }
    // A wrong set-up never costs a sample.
    for (const int status : {301, 302, 401, 403, 404, 405, 410}) {
        CHECK(verdictOf(status, 1) == Verdict::keep);
    }
    for (const int status : {400, 413, 422}) {
        CHECK(verdictOf(status, 1) == Verdict::refused);
        CHECK(verdictOf(status, 2) == Verdict::split);
    }
}

TEST_CASE("the collector's times") {
    const auto times = parseLapwingTime("1700000000000001 1700000000000250");
    REQUIRE(times);
    CHECK(times->received == 1'700'000'000'000'001);
    CHECK(times->sent == 1'700'000'000'000'250);
    for (const char* bad : {"", "1", "1 ", "a b", "1 2 3", "1,2"}) {
        CHECK_FALSE(parseLapwingTime(bad));
    }
}

TEST_CASE("the clock offset is NTP's, from the exchange with the shortest round trip") {
    ClockOffset clock;
    CHECK_FALSE(clock.estimate());
    const auto steady = std::chrono::steady_clock::now();
    // The collector is 2 s ahead; 10 ms there, 10 ms back, 5 ms in between.
    clock.add(1'000'000, 3'010'000, 3'015'000, 1'025'000, steady);
    REQUIRE(clock.estimate());
    CHECK(clock.estimate()->offset_seconds == Approx(2.0));
    CHECK(clock.estimate()->error_seconds == Approx(0.010));
    // A slow way to the collector shifts the estimate by at most the reported error.
    clock.add(2'000'000, 4'500'000, 4'500'000, 2'510'000, steady + 1485ms);
    CHECK(clock.estimate()->offset_seconds == Approx(2.0));
    clock.add(3'000'000, 5'001'000, 5'001'000, 3'002'000, steady + 1977ms);
    CHECK(clock.estimate()->error_seconds == Approx(0.001));
    CHECK(clock.estimate()->offset_seconds == Approx(2.0));
    // Impossible times.
    clock.add(9, 1, 2, 8, steady);
    clock.add(1, 9, 8, 2, steady);
    clock.add(1'000, 0, 900'000, 2'000, steady);
    CHECK(clock.estimate()->error_seconds == Approx(0.001));
}

TEST_CASE("after this host's clock is set, earlier exchanges do not count") {
    ClockOffset clock;
    const auto steady = std::chrono::steady_clock::now();
    clock.add(1'000'000, 3'000'000, 3'000'000, 1'000'200, steady);
    CHECK(clock.estimate()->offset_seconds == Approx(1.9999));
    // A second later by the steady clock, three by the wall clock.
    clock.add(4'000'000, 4'010'000, 4'010'000, 4'020'000, steady + 1s);
    CHECK(clock.estimate()->offset_seconds == Approx(0.0));
    CHECK(clock.estimate()->error_seconds == Approx(0.010));
}

TEST_CASE("after the collector's clock is set, earlier exchanges do not count") {
    ClockOffset clock;
    const auto steady = std::chrono::steady_clock::now();
    clock.add(1'000'000, 1'000'100, 1'000'100, 1'000'200, steady);
    CHECK(clock.estimate()->offset_seconds == Approx(0.0));
    clock.add(2'000'000, 5'010'000, 5'010'000, 2'020'000, steady + 1'019'800us);
    CHECK(clock.estimate()->offset_seconds == Approx(3.0));
    CHECK(clock.estimate()->error_seconds == Approx(0.010));
}
