#include "common/http/retry.h"

#include "tests/unit/catch.h"

using namespace std::chrono_literals;
using lapwing::http::Backoff;
using lapwing::http::firstLine;
using lapwing::http::retryAfter;

TEST_CASE("Retry-After in seconds and as a date, within bounds") {
    CHECK(retryAfter("3", 0) == 3s);
    CHECK(retryAfter("0", 0) == 0s);
    CHECK(retryAfter("-5", 0) == 0s);
    CHECK(retryAfter("86400", 0) == 300s);
    CHECK(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 784'111'767) == 10s);
    CHECK(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 1'700'000'000) == 0s);
    CHECK_FALSE(retryAfter("", 0));
    CHECK_FALSE(retryAfter("soon", 0));
    CHECK_FALSE(retryAfter("3 s", 0));
}

TEST_CASE("pauses grow to 15 s, with jitter, and start anew after a success") {
    Backoff backoff;
    CHECK(backoff.next(0) == 250ms);
    CHECK(backoff.next(0.999) == 999ms);
    CHECK(backoff.next(0) == 1s);
    for (int i = 0; i < 10; ++i) {
        backoff.next(0);
    }
    CHECK(backoff.next(0) == 7500ms);
    CHECK(backoff.next(0.999) < 15s);
    backoff.reset();
    CHECK(backoff.next(0) == 250ms);
}

TEST_CASE("an answer appears in the log as one printable line") {
    CHECK(firstLine("2 samples refused\nmore") == "2 samples refused");
    CHECK(firstLine("a\x1b[31mb\tc") == "a [31mb c");
    CHECK(firstLine(std::string(10'000, 'x')).size() == 500);
    CHECK(firstLine("").empty());
}
