#include "common/time_text.h"

#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("RFC 3339 times leave a fraction of zero out, or always have three decimals") {
    CHECK(rfc3339(1'795'417'366'834) == "2026-11-23T07:02:46.834Z");
    CHECK(rfc3339(1'795'417'366'000) == "2026-11-23T07:02:46Z");
    CHECK(rfc3339Milliseconds(1'795'417'366'834) == "2026-11-23T07:02:46.834Z");
    CHECK(rfc3339Milliseconds(1'795'417'366'000) == "2026-11-23T07:02:46.000Z");
    CHECK(rfc3339(5) == "1970-01-01T00:00:00.005Z");
}

TEST_CASE("times before 1970 and far from it are written too") {
    CHECK(rfc3339(-1) == "1969-12-31T23:59:59.999Z");
    CHECK(rfc3339Milliseconds(-1000) == "1969-12-31T23:59:59.000Z");
    CHECK(dateAndTime(-1) == "1969-12-31 23:59:59");
    CHECK(rfc3339(8'640'000'000'000'000) == "275760-09-13T00:00:00Z");
    CHECK(rfc3339(-62'167'219'200'000) == "0000-01-01T00:00:00Z");
}

TEST_CASE("a date and a time are cut to whole seconds") {
    CHECK(dateAndTime(1'709'251'199'999) == "2024-02-29 23:59:59");
    CHECK(dateAndTime(0) == "1970-01-01 00:00:00");
}
