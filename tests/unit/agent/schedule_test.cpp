#include "agent/runner/schedule.h"

#include "tests/unit/catch.h"

using namespace std::chrono_literals;
using lapwing::agent::firstSlot;
using lapwing::agent::nextSlot;
using lapwing::agent::spreadOf;
using lapwing::agent::stampOf;

TEST_CASE("turns are multiples of the interval plus the offset") {
    CHECK(nextSlot(1'700'000'003'000, 10s, 0ms) == 1'700'000'010'000);
    CHECK(nextSlot(1'700'000'003'000, 10s, 250ms) == 1'700'000'010'250);
    CHECK(nextSlot(1'700'000'000'000, 10s, 0ms) == 1'700'000'010'000);
    CHECK(nextSlot(1'700'000'000'400, 1s, 70ms) == 1'700'000'001'070);
}

TEST_CASE("a turn is at least half an interval away") {
    CHECK(nextSlot(1'700'000'009'999, 10s, 0ms) == 1'700'000'020'000);  // a timer that fired a little early
    CHECK(nextSlot(1'700'000'005'001, 10s, 0ms) == 1'700'000'020'000);
    CHECK(nextSlot(1'700'000'005'000, 10s, 0ms) == 1'700'000'010'000);
}

TEST_CASE("the second run is due at a time of the schedule, at most one interval after the first") {
    CHECK(firstSlot(1'700'000'003'000, 10s, 250ms) == 1'700'000'010'250);
    CHECK(firstSlot(1'700'000'009'999, 10s, 0ms) == 1'700'000'010'000);
    CHECK(firstSlot(1'700'000'000'000, 10s, 0ms) == 1'700'000'010'000);
    for (std::int64_t start = 1'700'000'000'000; start < 1'700'000'060'000; start += 97) {
        const auto second = firstSlot(start, 60s, 730ms);
        CHECK(second > start);
        CHECK(second <= start + 60'000);
        CHECK(second % 60'000 == (1'700'000'000'000 / 60'000 * 60'000 + 730) % 60'000);
    }
}

TEST_CASE("the offset is the same everywhere, differs by job, and stays in the first tenth") {
    CHECK(spreadOf("node", 10s) == spreadOf("node", 10s));
    CHECK(spreadOf("node", 10s) != spreadOf("mysql", 10s));
    for (const char* job : {"node", "nginx", "app", "haproxy", "mysql", "sockets", "firewall", "agent"}) {
        CHECK(spreadOf(job, 10s) < 1s);
        CHECK(spreadOf(job, 1s) < 100ms);
        CHECK(spreadOf(job, 3min) < 1s);
        CHECK(spreadOf(job, 5ms) == 0ms);
    }
}

TEST_CASE("a punctual run is stamped with its turn, a late run with its real time") {
    CHECK(stampOf(10'000, 10'003) == 10'000);
    CHECK(stampOf(10'000, 9'999) == 10'000);
    CHECK(stampOf(10'000, 10'051) == 10'051);
}
