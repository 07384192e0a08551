#include "collector/limits/query_limits.h"

#include <atomic>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "collector/limits/regex_size.h"
#include "tests/unit/catch.h"
#include "tests/unit/promql/support.h"

using namespace lapwing;
using namespace lapwing::promql;

namespace {

constexpr auto kNoEnd = QueryLimits::Clock::time_point::max();
constexpr std::size_t kMB = 1'000'000;

/// A text made of a part that encloses another one, several times.
std::string nested(int levels, const std::string& before, const std::string& inner,
                   const std::string& after) {
    std::string out = inner;
    for (int i = 0; i < levels; ++i) {
        out.insert(0, before);
        out += after;
    }
    return out;
}

std::string repeated(int times, const std::string& text, const std::string& separator) {
    std::string out = text;
    for (int i = 1; i < times; ++i) {
        out += separator;
        out += text;
    }
    return out;
}

/// 400 series of 600 samples, one a second.
Memory manySeries() {
    std::vector<TimeSeries> series;
    for (int i = 0; i < 400; ++i) {
        TimeSeries each{Labels{{"__name__", "x"}, {"i", std::to_string(i)}, {"a", std::string(200, 'a')}},
                        {}};
        for (int s = 0; s < 600; ++s) {
            each.samples.push_back({s * 1000, static_cast<double>(i) * 1000 + s});
        }
        series.push_back(std::move(each));
    }
    return Memory(std::move(series));
}

}  // namespace

TEST_CASE("limits count what the thread holds") {
    const QueryLimits limits(10 * kMB, kNoEnd, nullptr);
    const auto before = limits.used();
    {
        std::vector<std::string> texts(1000, std::string(1000, 'x'));
        CHECK(limits.used() >= before + kMB);
        CHECK(limits.used() <= before + 3 * kMB / 2);
        CHECK(QueryLimits::check());
        CHECK(!QueryLimits::checkRoom(10 * kMB));
        std::thread([] { CHECK(QueryLimits::check()); }).join();
    }
    CHECK(limits.used() <= before + 1000);
}

TEST_CASE("a large allocation beyond the limit throws, small ones are found by the next check") {
    const QueryLimits limits(kMB, kNoEnd, nullptr);
    CHECK_THROWS_AS(std::make_unique<char[]>(2 * kMB), std::bad_alloc);
    CHECK(QueryLimits::check());
    std::map<int, std::string> small;
    for (int i = 0; i < 20'000; ++i) {
        small.emplace(i, std::string(50, 'x'));
    }
    const auto found = QueryLimits::check();
    REQUIRE(!found);
    CHECK(found.error().kind == ErrorKind::exhausted);
    CHECK(found.error().message == "the query needs more than 1 MB of memory (promql.max_memory)");
    CHECK_THROWS_AS(QueryLimits::enforceMemory(), std::bad_alloc);
    small.clear();
    CHECK(QueryLimits::check());
}

TEST_CASE("limits nest") {
    std::atomic<bool> cancelled{false};
    const QueryLimits outer(2 * kMB, kNoEnd, &cancelled);
    const auto held = std::make_unique<char[]>(kMB);
    {
        const QueryLimits inner(kMB, QueryLimits::Clock::now() + std::chrono::hours(1), nullptr);
        CHECK(inner.used() == 0);
        CHECK(QueryLimits::check());
        CHECK(!QueryLimits::checkRoom(3 * kMB / 2));
        CHECK_THROWS_AS(std::make_unique<char[]>(kMB + 100'000), std::bad_alloc);
        cancelled = true;
        CHECK(QueryLimits::check().error().kind == ErrorKind::unavailable);
        cancelled = false;
    }
    {
        const QueryLimits late(kMB, QueryLimits::Clock::now(), nullptr);
        CHECK(QueryLimits::check().error().kind == ErrorKind::timeout);
    }
    CHECK(QueryLimits::check());
}

TEST_CASE("no query takes more memory than its limit") {
    const auto data = manySeries();
    EngineOptions options;
    options.max_memory = 20 * kMB;
    options.timeout_ms = 60'000;
    const Engine engine(data, options);
    const std::string one = "x{i='1'}";
    std::string labels;
    for (int i = 0; i < 2000; ++i) {
        labels += (i == 0 ? "l" : ", l") + std::to_string(i);
    }
    std::string unions = "x";
    for (int i = 0; i < 300; ++i) {
        unions += " or label_replace(x, 'b', '" + std::to_string(i) + std::string(2000, 'c') + "', '', '')";
    }
    const std::vector<std::string> bombs = {
        nested(30, "label_replace(", one, ", 'a', '$1$1', 'a', '(.*)')"),
        nested(26, "label_join(", one, ", 'a', '', 'a', 'a')"),
        nested(12, "label_join(", "x", ", 'a', '', 'a', 'a')"),
        nested(5, "label_join(", one, ", 'a', ''" + repeated(60, ", 'a'", "") + ")"),
        nested(3, "label_replace(", one, ", 'a', '" + repeated(5000, "$1", "") + "', 'a', '(.*)')"),
        "label_replace(x, 'a', '" + std::string(1 << 20, 'b') + "', '', '')",
        "label_join(x, 'a', '" + std::string(1 << 20, 'b') + "', 'i', 'i')",
        "count_values('" + std::string(100'000, 'v') + "', x)",
        "x * on(i) group_left(" + labels + ") " +
            nested(9, "label_join(", "x", ", 'l1', '', 'a', 'a', 'l1', 'l1')"),
        unions,
        "absent(x{i='" + std::string(21 << 20, 'a') + "'})",
        "max_over_time(vector(1)[1000y:1ms])",
        "max_over_time(max_over_time(vector(1)[30d:1s])[30d:1s])",
        "count_over_time(sum by (a, i) (x)[1h:1ms])",
        "x[600s:1ms]",
        "{__name__=~'" + repeated(2000, "(.{0,900}){0,1}", "|") + "'}",
        "x{" + repeated(2000, "i=~'.{0,1000}'", ",") + "}",
    };
    for (const auto& bomb : bombs) {
        INFO(bomb.substr(0, 100));
        const QueryLimits outer(std::numeric_limits<std::size_t>::max(), kNoEnd, nullptr);
        const auto result = engine.instant(bomb, 600'000);
        REQUIRE(!result);
        CHECK((result.error().kind == ErrorKind::exhausted || result.error().kind == ErrorKind::invalid));
        CHECK(outer.used() < kMB);
    }
    const std::vector<std::string> ranges = {"x",
                                             "x + on(i) group_left x",
                                             "count_values(\"v\", x)",
                                             "sum by (i) (x)",
                                             "topk(400, x)",
                                             "quantile by (i) (0.5, x)",
                                             "x or x",
                                             "x and on(i) x",
                                             "x @ end()",
                                             "rate(x[1m])",
                                             "-x",
                                             "round(x)"};
    for (const auto& range : ranges) {
        INFO(range);
        const auto result = engine.range(range, 0, 599'000, 50);
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorKind::exhausted);
        CHECK(engine.range(range, 590'000, 599'000, 1000));
    }
}

TEST_CASE("the size of a regular expression counts repetitions") {
    CHECK(regexSize("") == 0);
    CHECK(regexSize("abc") == 3);
    CHECK(regexSize("a.b|c*") == 4);
    CHECK(regexSize("[a-z]x") == 2);
    CHECK(regexSize(R"([]\]a-z]\.)") == 2);
    CHECK(regexSize("a{3}") == 3);
    CHECK(regexSize("ab{2,5}") == 6);
    CHECK(regexSize("(ab){10,}c") == 21);
    CHECK(regexSize("((ab){10}c){10}") == 210);
    CHECK(regexSize("(((a{1000}){1000}){1000}){1000}") == 1U << 30);
    CHECK(regexSize("a{x}{}") == 6);
    CHECK(regexSize("((a") == 1);
    CHECK(regexSize("a)b\\") == 3);
}

TEST_CASE("a query ends at its time, and when it is cancelled") {
    const auto data = manySeries();
    EngineOptions options;
    options.timeout_ms = 30;
    const Engine engine(data, options);
    const std::vector<std::string> slow = {
        nested(380, "sort_by_label(", "x", ", 'a', 'i')"),
        nested(380, "label_replace(", "x", ", 'b', '$1$2$3', 'a', '(.*)(.*)(.*)')"),
        repeated(300, "sort(x)", " + on(i) "),
        repeated(390, "quantile_over_time(0.5, x[600s])", " + "),
        nested(3, "max_over_time(", "vector(1)", "[3000s:1s])"),
        "x{" + repeated(3000, "i=~'.{0,100}.{0,100}'", ",") + "}"};
    for (const auto& query : slow) {
        INFO(query.substr(0, 100));
        const auto late = engine.range(query, 0, 599'000, 1000);
        REQUIRE(!late);
        CHECK(late.error().kind == ErrorKind::timeout);
        const std::atomic<bool> cancelled{true};
        const auto ended = engine.range(query, 0, 599'000, 1000, &cancelled);
        REQUIRE(!ended);
        CHECK(ended.error().kind == ErrorKind::unavailable);
    }
}

TEST_CASE("an expression too large for a value is not compared") {
    Memory data;
    data.add(Labels{{"__name__", "x"}, {"a", std::string(400'000, 'a')}}, {{0, 1}});
    const Engine engine(data, {});
    const auto refused = engine.instant("label_replace(x, 'b', '$1', 'a', '(a?){900}(a?){900}a*')", 0);
    REQUIRE(!refused);
    CHECK(refused.error().kind == ErrorKind::exhausted);
    CHECK(engine.instant("label_replace(x, 'b', '$1', 'a', '(a)a*')", 0));
}
