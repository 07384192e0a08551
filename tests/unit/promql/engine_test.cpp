#include "collector/promql/engine.h"

#include "tests/unit/catch.h"
#include "tests/unit/promql/support.h"

namespace lapwing::promql {
namespace {

std::string at(const Memory& data, double seconds, std::string_view query, EngineOptions options = {}) {
    return show(Engine(data, options).instant(query, static_cast<TimestampMs>(seconds * 1000)));
}
std::string over(const Memory& data, int start, int end, int step, std::string_view query,
                 EngineOptions options = {}) {
    return show(Engine(data, options).range(query, start * 1000, end * 1000, step * 1000));
}

TEST_CASE("the lookback delta is left-open in version 3 and closed in version 2", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, {{0, 7}});
    CHECK(at(data, 299.999, "x", compat(3)) == "x 7\n");
    CHECK(at(data, 300, "x", compat(3)).empty());
    CHECK(at(data, 300, "x", compat(2)) == "x 7\n");
    CHECK(at(data, 300.001, "x", compat(2)).empty());
    CHECK(at(data, -0.001, "x").empty());
}

TEST_CASE("ranges are left-open in version 3 and closed in version 2", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(60, {1, 2, 3, 4, 5, 6}));
    CHECK(at(data, 300, "count_over_time(x[5m])", compat(3)) == "{} 5\n");
    CHECK(at(data, 300, "count_over_time(x[5m])", compat(2)) == "{} 6\n");
    CHECK(at(data, 300, "count_over_time(x[5m:1m])", compat(3)) == "{} 5\n");
    CHECK(at(data, 300, "count_over_time(x[5m:1m])", compat(2)) == "{} 6\n");
    CHECK(at(data, 120, "x[1m]", compat(3)) == "x 3@120\n");
    CHECK(at(data, 120, "x[1m]", compat(2)) == "x 2@60 3@120\n");
}

TEST_CASE("a staleness marker ends a series at once", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, {{0, 1}, {60'000, staleNaN()}, {120'000, 2}});
    CHECK(over(data, 0, 150, 30, "x") == "x 1@0 1@30 2@120 2@150\n");
    CHECK(at(data, 120, "count_over_time(x[5m])") == "{} 2\n");
    CHECK(at(data, 60, "absent(x)") == "{} 1\n");
    CHECK(at(data, 60, "timestamp(x)").empty());
}

TEST_CASE("NaN is a value and not absence", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(60, {kNaN, 1}));
    CHECK(over(data, 0, 60, 60, "x") == "x NaN@0 1@60\n");
    CHECK(over(data, 0, 60, 60, "x == x") == "x 1@60\n");
    CHECK(over(data, 0, 60, 60, "x != x") == "x NaN@0\n");
    CHECK(over(data, 0, 60, 60, "absent(x)").empty());
}

TEST_CASE("rate extrapolates to the window's edges, half an interval at most", "[promql]") {
    Memory data;
    data.add({{"__name__", "c"}}, {{10'000, 10}, {20'000, 20}, {30'000, 30}, {40'000, 40}});
    // An increase of 30 in 30 s; 10 s are missing at the start (zero is 10 s away) and 5 s at the end.
    CHECK(at(data, 45, "increase(c[45s])") == "{} 45\n");
    CHECK(at(data, 45, "delta(c[45s])") == "{} 45\n");
    CHECK(at(data, 45, "rate(c[45s])") == "{} 1\n");
    // The end is too far: extrapolated by half the average interval only.
    CHECK(at(data, 80, "increase(c[80s])") == "{} 45\n");
    CHECK(at(data, 50, "increase(c[50s])") == "{} 50\n");
    CHECK(at(data, 45, "irate(c[1m])") == "{} 1\n");
    CHECK(at(data, 10, "rate(c[1m])").empty());
}

TEST_CASE("a reset counts from zero", "[promql]") {
    Memory data;
    data.add({{"__name__", "c_total"}}, every(10, {50, 60, 5, 15, 25, 35}));
    // 10 + 5 + 10 = 25 in 30 s.
    CHECK(at(data, 30, "increase(c_total[30s])", compat(2)) == "{} 25\n");
    // The window that begins with the reset contains no reset.
    CHECK(over(data, 20, 50, 10, "increase(c_total[20s])", compat(2)) == "{} 15@20 15@30 20@40 20@50\n");
    CHECK(at(data, 30, "resets(c_total[1m])") == "{} 1\n");
    CHECK(at(data, 20, "irate(c_total[1m])") == "{} 0.5\n");
    CHECK(at(data, 20, "idelta(c_total[1m])") == "{} -55\n");
}

TEST_CASE("offset and @ move the samples that are read, and not the time of the result", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(60, {0, 1, 2, 3, 4, 5}));
    CHECK(over(data, 120, 240, 60, "x offset 1m") == "x 1@120 2@180 3@240\n");
    CHECK(over(data, 120, 240, 60, "x offset -1m") == "x 3@120 4@180 5@240\n");
    CHECK(over(data, 120, 240, 60, "x @ 60") == "x 1@120 1@180 1@240\n");
    CHECK(over(data, 120, 240, 60, "x @ start()") == "x 2@120 2@180 2@240\n");
    CHECK(over(data, 120, 240, 60, "x @ end() offset 1m") == "x 3@120 3@180 3@240\n");
    CHECK(over(data, 120, 240, 60, "sum_over_time(x[2m] @ 300)") == "{} 9@120 9@180 9@240\n");
    CHECK(at(data, 240, "sum_over_time(x[2m:1m] @ 180)") == "{} 5\n");
}

TEST_CASE("subqueries step at multiples of their step", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(10, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    CHECK(at(data, 65, "x[30s:20s]") == "x 4@40 6@60\n");
    CHECK(at(data, 65, "max_over_time(x[30s:20s])") == "{} 6\n");
    CHECK(at(data, 90, "x[1m:]") == "x 6@60\n");
    CHECK(over(data, 60, 80, 10, "sum_over_time((x * 2)[20s:10s])") == "{} 22@60 26@70 30@80\n");
}

TEST_CASE("limits end a query", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
    EngineOptions options;
    options.max_samples = 5;
    CHECK(at(data, 9, "sum_over_time(x[10s])", options) ==
          "exhausted: query processing would load too many samples into memory in query execution");
    CHECK(at(data, 9, "sum_over_time(vector(1)[1y:1ms])").starts_with("exhausted: "));
    options.max_samples = 100;
    options.timeout_ms = 0;
    CHECK(at(data, 9, "x", options) == "timeout: query timed out in query execution");
    const std::atomic<bool> cancel = true;
    CHECK(show(Engine(data, {}).instant("x", 9000, &cancel)) ==
          "unavailable: query was canceled in query execution");
}

TEST_CASE("each kind of result, and the errors of wrong requests", "[promql]") {
    const Memory data;
    CHECK(at(data, 5, "1 + 1") == "2");
    CHECK(at(data, 5, "'text'") == "text");
    CHECK(at(data, 5, "time()") == "5");
    CHECK(at(data, 5, "up").empty());
    CHECK(over(data, 0, 20, 10, "time() * 2") == "{} 0@0 20@10 40@20\n");
    CHECK(over(data, 0, 20, 10, "'text'") ==
          "invalid: invalid expression type \"string\" for range query, must be Scalar or instant Vector");
    CHECK(over(data, 0, 20, 0, "1").starts_with("invalid: zero or negative query resolution"));
    CHECK(over(data, 20, 0, 10, "1") == "invalid: end timestamp must not be before start time");
    CHECK(show(Engine(data, {}).instant("1", std::numeric_limits<TimestampMs>::max())) ==
          "invalid: time out of range");
    CHECK(show(Engine(data, {}).range("1", std::numeric_limits<TimestampMs>::min(), 0, 1)) ==
          "invalid: time out of range");
    CHECK(at(data, 5, "x @ 1e30")
              .starts_with("invalid: 1:1: parse error: timestamp out of bounds for @ modifier"));
    CHECK(at(data, 5, "1 +").starts_with("invalid: 1:4: parse error"));
}

TEST_CASE("a range result is sorted by labels", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}, {"a", "2"}}, every(10, {1, 1}));
    data.add({{"__name__", "x"}, {"a", "1"}}, every(10, {2, 2}));
    CHECK(over(data, 0, 10, 10, "sort_desc(x)") == "x{a=\"1\"} 2@0 2@10\nx{a=\"2\"} 1@0 1@10\n");
}

TEST_CASE("version 3 warns about suspicious queries", "[promql]") {
    Memory data;
    data.add({{"__name__", "requests"}}, every(10, {1, 2, 3}));
    const auto result = Engine(data, {}).instant("sum(\n rate(requests[1m]))", 20'000);
    REQUIRE(result);
    REQUIRE(result->infos.size() == 1);
    CHECK(result->infos[0] ==
          "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
          "\"requests\" (2:7)");
    const auto quantile = Engine(data, {}).instant("quantile(2, requests)", 20'000);
    REQUIRE(quantile);
    CHECK(quantile->warnings ==
          std::vector<std::string>{"PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"});
    const auto silent = Engine(data, compat(2)).instant("quantile(2, requests) + rate(requests[1m])", 20'000);
    REQUIRE(silent);
    CHECK(silent->warnings.empty());
    CHECK(silent->infos.empty());
    const auto native = Engine(data, {}).instant("histogram_sum(requests)", 20'000);
    REQUIRE(native);
    CHECK(native->warnings.size() == 1);
}

}  // namespace
}  // namespace lapwing::promql
