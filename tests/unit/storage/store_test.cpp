#include <limits>
#include <map>

#include "collector/limits/query_limits.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

const Labels kUp{{"__name__", "up"}, {"agent", "web-01"}, {"job", "node"}};

TEST_CASE("samples come back, before and after reopening and compaction") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto first = mustAppend(*store, {{kUp, {{1000, 1}, {2000, 0}}}});
    CHECK(first.stored == 2);
    CHECK(first.duplicates == 0);
    CHECK(first.refused == 0);
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0");
    CHECK(samplesOf(*store, named("up"), 1001, 2000) == "2000:0");
    CHECK(samplesOf(*store, named("up"), 2001, 9000) == "none");
    CHECK(samplesOf(*store, named("up"), 9000, 1) == "none");

    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0");
    CHECK(store->stats().last_seq == 1);
    CHECK(store->stats().series == 1);

    REQUIRE(store->compact());
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0");
    CHECK(samplesOf(*store, named("up"), 1000, 1999) == "1000:1");
    mustAppend(*store, {{kUp, {{3000, 1}}}});
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0 3000:1");
    CHECK(store->stats().last_seq == 2);

    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0 3000:1");
    REQUIRE(store->compact());
    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:0 3000:1");
    CHECK(store->stats().last_seq == 2);
}

TEST_CASE("a duplicate is success, a conflict is refused and the first stays") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    mustAppend(*store, {{kUp, {{1000, 1}, {2000, 2}, {3000, 3}}}});
    const bool compacted = GENERATE(false, true);
    if (compacted) {
        REQUIRE(store->compact());
    }

    const auto again = mustAppend(*store, {{kUp, {{1000, 1}, {2000, 2}, {3000, 3}}}});
    CHECK(again.stored == 0);
    CHECK(again.duplicates == 3);
    CHECK(again.refused == 0);
    CHECK(again.first_refusal.empty());

    const auto conflict = mustAppend(*store, {{kUp, {{2000, 7}, {3000, 8}, {4000, 4}}}});
    CHECK(conflict.stored == 1);
    CHECK(conflict.refused == 2);
    CHECK(conflict.first_refusal ==
          "up{agent=\"web-01\", job=\"node\"} at 2000: another value is stored for this time");
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:2 3000:3 4000:4");
}

TEST_CASE("a NaN is the same only with the same bits") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    mustAppend(*store, {{kUp, {{1000, staleNaN()}}}});
    CHECK(mustAppend(*store, {{kUp, {{1000, staleNaN()}}}}).duplicates == 1);
    CHECK(mustAppend(*store, {{kUp, {{1000, std::numeric_limits<double>::quiet_NaN()}}}}).refused == 1);
    const auto result = mustSelect(*store, named("up"), 0, 5000);
    REQUIRE(result.size() == 1);
    CHECK(isStaleNaN(result[0].samples[0].value));
}

TEST_CASE("conflicts inside one batch are found too") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto result = mustAppend(
        *store, {{kUp, {{1000, 1}, {1000, 1}, {1000, 2}}}, {kUp, {{2000, 2}, {1000, 1}, {1500, 5}}}});
    CHECK(result.stored == 3);
    CHECK(result.duplicates == 2);
    CHECK(result.refused == 1);
    CHECK(samplesOf(*store, named("up")) == "1000:1 1500:5 2000:2");
}

TEST_CASE("a late sample is found by its own time, also after a replay of the log") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.out_of_order_ms = 10'000;
    auto store = openStore(options);
    mustAppend(*store, {{kUp, {{100'000, 1}}}});
    mustAppend(*store, {{kUp, {{90'000, 9}}}});
    mustAppend(*store, {{kUp, {{110'000, 2}}}});
    if (GENERATE(false, true)) {
        store.reset();
        store = openStore(options);
    }
    CHECK(samplesOf(*store, named("up"), 90'000, 91'000) == "90000:9");
    CHECK(samplesOf(*store, named("up"), 101'000, 110'000) == "110000:2");
    CHECK(samplesOf(*store, named("up"), 0, 89'999) == "none");
    CHECK(samplesOf(*store, named("up"), 110'001, 200'000) == "none");
}

TEST_CASE("out-of-order limits apply per series") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.out_of_order_ms = 10'000;
    auto store = openStore(options);
    const Labels old{{"__name__", "old"}, {"agent", "web-01"}};
    mustAppend(*store, {{kUp, {{100'000, 1}}}});
    // A day-old spool: another series of the same host starts much earlier.
    CHECK(mustAppend(*store, {{old, {{1000, 1}, {2000, 2}}}}).stored == 2);
    if (GENERATE(false, true)) {
        REQUIRE(store->compact());
    }
    const auto result = mustAppend(*store, {{kUp, {{90'000, 9}, {89'999, 8}, {95'000, 7}}}});
    CHECK(result.stored == 2);
    CHECK(result.refused == 1);
    CHECK(result.first_refusal ==
          "up{agent=\"web-01\", job=\"node\"} at 89999: too far out of order: the series' "
          "newest sample is of 100000");
    CHECK(samplesOf(*store, named("up")) == "90000:9 95000:7 100000:1");
    REQUIRE(store->compact());
    CHECK(samplesOf(*store, named("up")) == "90000:9 95000:7 100000:1");
    // Too old to be added, but stored already: the agent must hear that it is stored.
    mustAppend(*store, {{kUp, {{200'000, 1}}}});
    CHECK(mustAppend(*store, {{kUp, {{90'000, 9}}}}).duplicates == 1);
    CHECK(mustAppend(*store, {{kUp, {{90'000, 1}}}}).refused == 1);
}

TEST_CASE("a sample from the future does not judge those that follow it") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.out_of_order_ms = 10'000;
    options.clock = [] { return TimestampMs{100'000}; };
    auto store = openStore(options);
    mustAppend(*store, {{kUp, {{100'000, 1}, {90'000'000, 2}}}});
    if (GENERATE(false, true)) {
        REQUIRE(store->compact());
        store.reset();
        store = openStore(options);
    }
    const auto result = mustAppend(*store, {{kUp, {{101'000, 3}, {95'000, 4}, {89'999, 5}}}});
    CHECK(result.stored == 2);
    CHECK(result.refused == 1);
    CHECK(result.refused_times == 1);
    CHECK(samplesOf(*store, named("up")) == "95000:4 100000:1 101000:3 90000000:2");
    // What is stored in the future stays as it is.
    CHECK(mustAppend(*store, {{kUp, {{90'000'000, 2}}}}).duplicates == 1);
    CHECK(mustAppend(*store, {{kUp, {{90'000'000, 3}}}}).refused_times == 0);
}

TEST_CASE("times before 1970 and in the far future are refused, the rest of the batch is stored") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const Labels bad{{"__name__", "bad"}};
    const auto result = mustAppend(*store, {{bad, {{-1, 1}, {INT64_MAX, 1}, {INT64_MIN, 1}}},
                                            {kUp, {{0, 1}, {TimestampMs{1} << 53, 2}}},
                                            {Labels{}, {{1, 1}}}});
    CHECK(result.stored == 2);
    CHECK(result.refused == 4);
    CHECK(store->stats().series == 1);
    REQUIRE(store->compact());
    CHECK(samplesOf(*store, named("up")) == "0:1 9007199254740992:2");
}

TEST_CASE("beyond the limit new series are refused and counted, the others go on") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.limits.series = 3;
    auto store = openStore(options);
    const auto series = [](int s, TimestampMs at) {
        return TimeSeries{Labels{{"__name__", "m" + std::to_string(s)}}, {{at, 1}, {at + 1, 1}}};
    };
    mustAppend(*store, {series(0, 1000), series(1, 1000)});
    const auto result =
        mustAppend(*store, {series(0, 2000), series(2, 2000), series(3, 2000), series(1, 2000)});
    CHECK(result.stored == 6);
    CHECK(result.refused == 2);
    CHECK(result.first_refusal == "m3: a new series, and there are 3 already (ingest.max_series)");
    CHECK(store->stats().senders.at(kLocalSender).refused == 2);
    CHECK(store->stats().series == 3);
    store.reset();
    store = openStore(options);
    CHECK(mustAppend(*store, {series(4, 3000)}).refused == 2);
    CHECK(mustAppend(*store, {series(2, 3000)}).stored == 2);
    // A deletion makes room for new series.
    REQUIRE(store->deleteSeries({named("m0")}, 0, INT64_MAX));
    CHECK(mustAppend(*store, {series(4, 3000)}).stored == 2);
}

TEST_CASE("the order of samples within a batch does not matter, nor does it cost more than sorting") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    constexpr int many = 100'000;
    std::vector<Sample> descending;
    for (int i = many; i > 0; --i) {
        descending.push_back({i * 1000, static_cast<double>(i)});
    }
    const Labels labels{{"__name__", "up"}};
    CHECK(mustAppend(*store, {{labels, descending}}).stored == many);
    CHECK(mustAppend(*store, {{labels, descending}}).duplicates == many);
    REQUIRE(store->compact());
    CHECK(mustAppend(*store, {{labels, descending}}).duplicates == many);
    // The same series many times in one batch.
    std::vector<TimeSeries> pieces;
    for (int i = 2 * many; i > many; --i) {
        pieces.push_back({labels, {{i * 1000, static_cast<double>(i)}}});
    }
    CHECK(mustAppend(*store, pieces).stored == many);
    const auto all = mustSelect(*store, named("up"), 0, INT64_MAX);
    REQUIRE(all.at(0).samples.size() == 2 * many);
    for (int i = 1; i <= 2 * many; ++i) {
        const auto& sample = all[0].samples[static_cast<std::size_t>(i - 1)];
        if (sample.timestamp != i * 1000 || sample.value != i) {
            FAIL("sample " << i);
        }
    }
}

TEST_CASE("matchers select like those of Prometheus") {
    using Type = Matcher::Type;
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto series = [](const char* name, const char* instance, const char* job) {
        return TimeSeries{Labels{{"__name__", name}, {"instance", instance}, {"job", job}}, {{1000, 1}}};
    };
    mustAppend(*store,
               {series("up", "web-01", "node"), series("up", "web-02", "node"), series("up", "lb-01", ""),
                series("load", "web-01", "node"), series("text", "a\nb", "x")});
    const auto instances = [&](const Matchers& matchers) {
        std::string out;
        for (const auto& one : mustSelect(*store, matchers, 0, 2000)) {
            out +=
                std::string(one.labels->metricName()) + '@' + std::string(one.labels->get("instance")) + ' ';
        }
        return out;
    };
    CHECK(instances(match({{"__name__", Type::equal, "up"}})) == "up@lb-01 up@web-01 up@web-02 ");
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"instance", Type::regex, "web-.*"}})) ==
          "up@web-01 up@web-02 ");
    CHECK(instances(match({{"instance", Type::regex, "web"}})).empty());
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"instance", Type::not_regex, "web-.*|x"}})) ==
          "up@lb-01 ");
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"job", Type::equal, ""}})) == "up@lb-01 ");
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"job", Type::not_equal, ""}})) ==
          "up@web-01 up@web-02 ");
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"absent", Type::equal, ""}})) ==
          "up@lb-01 up@web-01 up@web-02 ");
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"absent", Type::not_equal, ""}})).empty());
    CHECK(instances(match({{"__name__", Type::equal, "up"}, {"job", Type::regex, "node|"}})) ==
          "up@lb-01 up@web-01 up@web-02 ");
    CHECK(instances(match({{"instance", Type::not_equal, "web-01"}, {"job", Type::equal, "node"}})) ==
          "up@web-02 ");
    CHECK(instances(match({{"instance", Type::regex, "a.b"}})) == "text@a\nb ");
    CHECK(instances({}) == "load@web-01 text@a\nb up@lb-01 up@web-01 up@web-02 ");

    const auto bad = Matcher::create(Type::regex, "job", "(");
    REQUIRE(!bad);
    CHECK(bad.error().kind == ErrorKind::invalid);
    CHECK(bad.error().message == "error parsing regexp: missing closing ): `(`");
}

TEST_CASE("series, label names and label values in a range of time are listed") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    mustAppend(*store, {{Labels{{"__name__", "a"}, {"x", "1"}}, {{1000, 1}}},
                        {Labels{{"__name__", "b"}, {"y", "2"}}, {{5000, 1}}}});
    if (GENERATE(false, true)) {
        REQUIRE(store->compact());
        store.reset();
        store = openStore(keepEverything(dir.path("lapwing.db")));
    }
    CHECK(store->series({}, 0, 9000).value() ==
          std::vector<Labels>{{{"__name__", "a"}, {"x", "1"}}, {{"__name__", "b"}, {"y", "2"}}});
    CHECK(store->series({}, 1001, 4999).value().empty());
    CHECK(store->series({named("a"), named("b"), named("c")}, 0, 4999).value() ==
          std::vector<Labels>{{{"__name__", "a"}, {"x", "1"}}});
    CHECK(store->labelNames({}, 0, 9000).value() == std::vector<std::string>{"__name__", "x", "y"});
    CHECK(store->labelNames({named("b")}, 0, 9000).value() == std::vector<std::string>{"__name__", "y"});
    CHECK(store->labelValues("__name__", {}, 2000, 9000).value() == std::vector<std::string>{"b"});
    CHECK(store->labelValues("nothing", {}, 0, 9000).value().empty());
}

TEST_CASE("a query beyond its limit is an error and needs no more memory") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    std::vector<Sample> samples;
    for (int i = 0; i < 100; ++i) {
        samples.push_back({i * 1000, 1});
    }
    mustAppend(*store, {{kUp, samples}});
    if (GENERATE(false, true)) {
        REQUIRE(store->compact());
    }
    CHECK(store->select(named("up"), 0, 99'000, 100));
    const auto result = store->select(named("up"), 0, 99'000, 99);
    REQUIRE(!result);
    CHECK(result.error().kind == ErrorKind::exhausted);
    CHECK(store->select(named("up"), 1000, 99'000, 99));
}

TEST_CASE("documents and states are stored") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(!store->document("ab").value());
    CHECK(!store->state("alerts").value());
    const std::string body("a\0b", 3);
    REQUIRE(store->putDocument({"ab", "ruleset", "web-01", 1000, body}));
    REQUIRE(store->putDocument({"ab", "ruleset", "web-02", 2000, body}));
    REQUIRE(store->putDocument({"cd", "mysql_error", "web-02", 2000, ""}));
    REQUIRE(store->putState("alerts", "one"));
    REQUIRE(store->putState("alerts", std::string("t\0o", 3)));
    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto document = store->document("ab").value();
    REQUIRE(document);
    CHECK(document->digest == "ab");
    CHECK(document->kind == "ruleset");
    CHECK(document->host == "web-02");
    CHECK(document->received == 2000);
    CHECK(document->body == body);
    CHECK(store->document("cd").value()->body.empty());
    CHECK(store->state("alerts").value() == std::string("t\0o", 3));
}

TEST_CASE("many series over many windows survive compactions at any moment") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    std::map<std::string, std::map<TimestampMs, double>> expected;
    std::uint64_t random = 1;
    const auto next = [&random] { return random = random * 6364136223846793005U + 1442695040888963407U; };
    for (int round = 0; round < 40; ++round) {
        std::vector<TimeSeries> batch;
        for (int s = 0; s < 30; ++s) {
            const Labels labels{{"__name__", "m" + std::to_string(s)},
                                {"instance", "h" + std::to_string(s % 3)}};
            TimeSeries series{labels, {}};
            for (int i = 0; i < 10; ++i) {
                const TimestampMs time = 1'700'000'000'000 + round * 1'000'000 + i * 100'000;
                const double value = s % 2 == 0 ? s : static_cast<double>(next() >> 40) / 8;
                series.samples.push_back({time, value});
                expected[labels.toString()][time] = value;
            }
            batch.push_back(std::move(series));
        }
        CHECK(mustAppend(*store, batch).stored == 300);
        if (next() % 5 < 1) {
            REQUIRE(store->compact());
        }
        if (next() % 9 < 1) {
            store.reset();
            store = openStore(keepEverything(dir.path("lapwing.db")));
        }
    }
    for (int pass = 0; pass < 2; ++pass) {
        const auto result = mustSelect(*store, {}, 0, INT64_MAX);
        REQUIRE(result.size() == expected.size());
        for (const auto& one : result) {
            const auto& wanted = expected.at(one.labels->toString());
            std::map<TimestampMs, double> got;
            for (const auto& sample : one.samples) {
                got[sample.timestamp] = sample.value;
            }
            CHECK(got == wanted);
            CHECK(one.samples.size() == wanted.size());
        }
        REQUIRE(store->compact());
    }
}

TEST_CASE("a series is named by the ref that an earlier batch got") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const Labels up{{"__name__", "up"}};
    const Labels down{{"__name__", "down"}};
    const std::vector<Sample> at1 = {{1000, 1}};
    const std::vector<Sample> at2 = {{2000, 2}};
    std::vector<BatchSeries> first = {{0, &up, at1}, {0, &down, at1}};
    REQUIRE(store->append(first, kLocalSender));
    CHECK(first[0].ref != 0);
    CHECK(first[1].ref != 0);
    CHECK(first[0].ref != first[1].ref);

    // In one batch by its labels, by its ref, and by its ref alone: out of order, with one duplicate.
    const std::vector<Sample> rest = {{5000, 5}, {3000, 3}};
    std::vector<BatchSeries> mixed = {
        {first[0].ref, nullptr, rest}, {0, &up, at2}, {first[1].ref, nullptr, at2}, {first[0].ref, &up, at2}};
    const auto result = store->append(mixed, kLocalSender);
    REQUIRE(result);
    CHECK(result->stored == 4);
    CHECK(result->duplicates == 1);
    CHECK(result->gone.empty());
    CHECK(mixed[1].ref == first[0].ref);
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:2 3000:3 5000:5");
    CHECK(samplesOf(*store, named("down")) == "1000:1 2000:2");

    REQUIRE(store->deleteSeries({named("up")}, 0, INT64_MAX));
    std::vector<BatchSeries> late = {{first[0].ref, nullptr, at1}, {first[1].ref, nullptr, rest}};
    const auto gone = store->append(late, kLocalSender);
    REQUIRE(gone);
    CHECK(gone->gone == std::vector<std::size_t>{0});
    CHECK(gone->stored == 2);
    CHECK(gone->refused == 0);
    CHECK(samplesOf(*store, named("up")) == "none");
    std::vector<BatchSeries> again = {{first[0].ref, &up, at1}};
    REQUIRE(store->append(again, kLocalSender));
    CHECK(again[0].ref != first[0].ref);
    CHECK(samplesOf(*store, named("up")) == "1000:1");
}

TEST_CASE("every read ends at the limits of its query") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    std::vector<TimeSeries> batch;
    for (int i = 0; i < 2000; ++i) {
        batch.push_back(
            {Labels{{"__name__", "up"}, {"i", std::to_string(i)}, {"text", std::string(200, 't')}},
             {{1, 1}, {kWindowMs + 1, 2}, {2 * kWindowMs + 1, 3}}});
    }
    mustAppend(*store, batch);
    REQUIRE(store->compact());
    const auto all = match({{"i", Matcher::Type::regex, ".+"}});
    /// The kind of error of each read; `internal` for a success.
    const auto reads = [&] {
        std::vector<ErrorKind> kinds;
        const auto add = [&](const auto& read) {
            try {
                const auto done = read();
                kinds.push_back(done ? ErrorKind::internal : done.error().kind);
            } catch (const std::bad_alloc&) {
                kinds.push_back(ErrorKind::exhausted);
            }
        };
        add([&] { return store->select(all, 0, INT64_MAX, 1'000'000); });
        add([&] { return store->select(named("up"), 0, INT64_MAX, 1'000'000); });
        add([&] { return store->series({all}, 0, INT64_MAX); });
        add([&] { return store->series({}, 0, INT64_MAX); });
        add([&] { return store->labelNames({all}, 0, INT64_MAX); });
        add([&] { return store->labelValues("i", {all}, 0, INT64_MAX); });
        return kinds;
    };
    constexpr auto never = QueryLimits::Clock::time_point::max();
    CHECK(reads() == std::vector(6, ErrorKind::internal));
    {
        const std::atomic<bool> cancelled{true};
        const QueryLimits limits(QueryLimits::kDefaultMemory, never, &cancelled);
        CHECK(reads() == std::vector(6, ErrorKind::unavailable));
    }
    {
        const QueryLimits limits(QueryLimits::kDefaultMemory, QueryLimits::Clock::now(), nullptr);
        CHECK(reads() == std::vector(6, ErrorKind::timeout));
    }
    {
        const QueryLimits limits(50'000, never, nullptr);
        const auto kinds = reads();
        CHECK(std::count(kinds.begin(), kinds.end(), ErrorKind::exhausted) >= 5);
    }
    CHECK(reads() == std::vector(6, ErrorKind::internal));
}

}  // namespace
}  // namespace lapwing::storage
