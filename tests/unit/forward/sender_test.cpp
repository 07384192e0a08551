#include "collector/forward/sender.h"

#include "collector/promql/engine.h"
#include "tests/unit/forward/receiver.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::forward {
namespace {

using namespace std::chrono_literals;
using storage::mustAppend;
using test::TemporaryFolder;

TimestampMs clock_now = 1'700'000'000'000;  // NOLINT: the clock is a plain function
TimestampMs clock() {
    return clock_now;
}

std::unique_ptr<storage::SqliteStore> open(const test::TemporaryFolder& dir) {
    auto options = storage::keepEverything(dir.path("lapwing.db"));
    options.clock = clock;
    options.out_of_order_ms = 1'000'000'000;
    return storage::openStore(options);
}

Destination named(const std::string& name) {
    Destination destination;
    destination.name = name;
    destination.url = "http://127.0.0.1:1/";
    return destination;
}

Labels metric(const std::string& name, const std::string& job = "node") {
    return Labels{{"__name__", name}, {"job", job}};
}

SenderOptions options(std::size_t samples = 2000) {
    SenderOptions out;
    out.limits.samples = samples;
    out.clock = clock;
    return out;
}

/// Steps until a pause is wanted, and returns it.
std::chrono::milliseconds run(Sender& sender) {
    for (int i = 0; i < 10'000; ++i) {
        const auto pause = sender.step();
        if (pause > 0ms) {
            return pause;
        }
    }
    FAIL("it does not come to rest");
    return 0ms;
}

TEST_CASE("a new destination gets everything that arrives from then on, in order") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    mustAppend(*store, {{metric("a"), {{1, 1}}}});
    const auto destination = named("new");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.requests == 0);
    CHECK(sender.status().lag_ms == 0);

    mustAppend(*store, {{metric("a"), {{2, 2}, {3, 3}}}});
    mustAppend(*store, {{metric("b"), {{1, 7}}}, {metric("a"), {{4, staleNaN()}}}});
    clock_now += 3000;
    CHECK(sender.status().lag_ms == 3000);
    CHECK(sender.status().pending_bytes.value() > 20);
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.requests == 1);
    CHECK(receiver.of(R"(b{job="node"})") == "1:7");
    const auto& samples = receiver.got[R"(a{job="node"})"];
    REQUIRE(samples.size() == 3);
    CHECK(samples[0].timestamp == 2);
    CHECK(samples[1].timestamp == 3);
    CHECK(isStaleNaN(samples[2].value));
    const auto status = sender.status();
    CHECK(status.sent == 4);
    CHECK(status.failed == 0);
    CHECK(status.lag_ms == 0);
    CHECK(status.pending_bytes == 0U);
}

TEST_CASE("a cursor is durable: a restart sends the unanswered entries only") {
    const test::TemporaryFolder dir;
    const auto destination = named("d");
    Receiver receiver;
    auto store = open(dir);
    {
        Sender sender(destination, *store, receiver.post(), options());
        mustAppend(*store, {{metric("a"), {{1, 1}}}});
        run(sender);
        mustAppend(*store, {{metric("a"), {{2, 2}}}});
        receiver.scripted.emplace_back(fail(ErrorKind::refused, "connection refused"));
        CHECK(run(sender) > 0ms);
        mustAppend(*store, {{metric("a"), {{3, 3}}}});
    }
    REQUIRE(store->compact());
    store.reset();
    store = open(dir);
    mustAppend(*store, {{metric("a"), {{4, 4}}}});
    Sender sender(destination, *store, receiver.post(), options());
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.of(R"(a{job="node"})") == "1:1 2:2 3:3 4:4");
    CHECK(sender.status().pending_bytes == 0U);
}

TEST_CASE("a request whose answer was lost is sent again with the same samples") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    {
        Sender sender(destination, *store, receiver.post(), options());
        mustAppend(*store, {{metric("a"), {{1, 1}, {2, 2}}}});
        const auto before = store->logCursors();
        run(sender);
        // As after a crash between the answer and the cursor's commit.
        REQUIRE(store->putLogCursor("d", before.at("d")));
    }
    Sender sender(destination, *store, receiver.post(), options());
    run(sender);
    CHECK(receiver.of(R"(a{job="node"})") == "1:1 2:2 1:1 2:2");
}

TEST_CASE("after passing failures pauses grow, and follow Retry-After") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    mustAppend(*store, {{metric("a"), {{1, 1}}}});
    for (const int status : {500, 503, 502, 504, 408, 302}) {
        receiver.scripted.emplace_back(answer(status));
    }
    auto least = 250ms;
    for (int i = 0; i < 6; ++i) {
        const auto pause = sender.step();
        CHECK(pause >= least);
        CHECK(pause <= 2 * least);
        least = std::min<std::chrono::milliseconds>(2 * least, 7500ms);
    }
    receiver.scripted.emplace_back(answer(429, {{"Retry-After", "120"}}));
    CHECK(sender.step() == 120s);
    CHECK(sender.status().failed == 7);
    CHECK(sender.status().trouble == "it answered 429 so it is");
    clock_now += 5000;
    CHECK(sender.status().lag_ms == 5000);
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.of(R"(a{job="node"})") == "1:1");
    CHECK(sender.status().trouble.empty());

    // A success makes pauses short again.
    mustAppend(*store, {{metric("a"), {{2, 2}}}});
    receiver.scripted.emplace_back(answer(500));
    CHECK(sender.step() <= 500ms);
}

TEST_CASE("after wrong credentials the pause is longer, and no sample is lost") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    mustAppend(*store, {{metric("a"), {{1, 1}}}});
    for (const int status : {401, 403, 407}) {
        receiver.scripted.emplace_back(answer(status));
        CHECK(sender.step() >= 15s);
    }
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.of(R"(a{job="node"})") == "1:1");
    CHECK(sender.status().dropped_refused == 0);
}

TEST_CASE("a refused request is dropped and counted, and the next one is sent") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    for (const int status : {404, 405, 410, 415}) {
        mustAppend(*store, {{metric("a"), {{status, 1}}}, {metric("b"), {{status, 1}}}});
        receiver.scripted.emplace_back(answer(status));
        CHECK(run(sender) == 1000ms);
    }
    CHECK(receiver.requests == 4);
    CHECK(sender.status().dropped_refused == 8);
    CHECK(sender.status().failed == 4);
    mustAppend(*store, {{metric("a"), {{1000, 1}}}});
    run(sender);
    CHECK(receiver.samples() == 1);
    CHECK(sender.status().lag_ms == 0);
}

TEST_CASE("all but the refused sample of a request are delivered") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    receiver.refusal = GENERATE(400, 409, 422);
    receiver.refuses = [](const Labels& labels, const Sample& sample) {
        return labels.metricName() == "m7" && (sample.timestamp == 3 || sample.timestamp == 11);
    };
    Sender sender(destination, *store, receiver.post(), options());
    std::vector<TimeSeries> batch;
    for (int s = 0; s < 100; ++s) {
        TimeSeries series{metric("m" + std::to_string(s)), {}};
        for (int t = 0; t < 20; ++t) {
            series.samples.push_back({t, static_cast<double>(t)});
        }
        batch.push_back(std::move(series));
    }
    mustAppend(*store, batch);
    CHECK(run(sender) == 1000ms);
    CHECK(sender.status().sent == 1998);
    CHECK(receiver.samples() == 1998);
    CHECK(sender.status().dropped_refused == 2);
    CHECK(receiver.requests < 50);
    // Halving keeps the order within a series.
    std::string all;
    for (int t = 0; t < 20; ++t) {
        if (t != 3 && t != 11) {
            all += (t == 0 ? "" : " ") + std::to_string(t) + ":" + std::to_string(t);
        }
    }
    CHECK(receiver.of(R"(m7{job="node"})") == all);
}

TEST_CASE("a destination that refuses everything costs a bounded number of requests") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    receiver.refuses = [](const Labels&, const Sample&) { return true; };
    Sender sender(destination, *store, receiver.post(), options());
    std::size_t requests = 0;
    for (int round = 0; round < 3; ++round) {
        TimeSeries series{metric("a"), {}};
        for (int t = 0; t < 2000; ++t) {
            series.samples.push_back({round * 2000 + t, 1});
        }
        mustAppend(*store, {series});
        run(sender);
        CHECK(receiver.requests - requests <= (round == 0 ? 801U : 49U));
        requests = receiver.requests;
    }
    CHECK(sender.status().dropped_refused == 6000);
    CHECK(sender.status().sent == 0);
}

TEST_CASE("a request that is too large is sent in halves") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    mustAppend(*store, {{metric("a"), {{1, 1}, {2, 2}, {3, 3}, {4, 4}}}});
    receiver.scripted.emplace_back(answer(413));
    run(sender);
    CHECK(receiver.requests == 3);
    CHECK(receiver.largest == 2);
    CHECK(receiver.of(R"(a{job="node"})") == "1:1 2:2 3:3 4:4");
    CHECK(sender.status().dropped_refused == 0);
}

TEST_CASE("a backlog is sent in full requests, and selectors narrow it") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    auto destination = named("d");
    destination.match.push_back(promql::parseSelector(R"({job="node"})").value());
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options(100));
    for (int t = 0; t < 500; ++t) {
        mustAppend(*store, {{metric("a"), {{t, 1.0 * t}}}, {metric("b", "mysql"), {{t, 1}}}});
    }
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.requests == 5);
    CHECK(receiver.largest == 100);
    CHECK(receiver.samples() == 500);
    CHECK(receiver.got.size() == 1);
    CHECK(store->logCursors().at("d") == store->logEnd().seq);

    // Unwanted entries move the cursor too.
    mustAppend(*store, {{metric("b", "mysql"), {{1000, 1}}}});
    CHECK(run(sender) == 1000ms);
    CHECK(receiver.requests == 5);
    CHECK(store->logCursors().at("d") == store->logEnd().seq);
}

TEST_CASE("the cursor moves with every answer, entries stay whole, and a large entry is sent in parts") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options(10));
    const auto append = [&](int from, int count) {
        TimeSeries series{metric("a"), {}};
        for (int t = from; t < from + count; ++t) {
            series.samples.push_back({t, 1});
        }
        mustAppend(*store, {series});
        return store->logEnd().seq;
    };
    const auto first = append(0, 6);
    const auto second = append(10, 6);
    const auto third = append(20, 25);
    sender.step();
    CHECK(receiver.samples() == 6);
    CHECK(store->logCursors().at("d") == first);
    sender.step();
    CHECK(receiver.samples() == 12);
    CHECK(store->logCursors().at("d") == second);
    sender.step();
    sender.step();
    CHECK(receiver.samples() == 32);
    CHECK(store->logCursors().at("d") == second);
    sender.step();
    CHECK(receiver.samples() == 37);
    CHECK(store->logCursors().at("d") == third);
    CHECK(receiver.largest == 10);
}

TEST_CASE("samples that waited longer than `keep` for a failing destination are dropped and counted") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    auto destination = named("d");
    destination.keep_ms = 3'600'000;
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options(1));
    for (int t = 0; t < 6; ++t) {
        mustAppend(*store, {{metric("a"), {{t, 1.0 * t}}}});
        clock_now += 1'000'000;
    }
    // Six entries from 6,000 to 1,000 seconds ago. Only a destination that fails loses old samples.
    receiver.scripted.emplace_back(fail(ErrorKind::timeout, "no answer"));
    CHECK(sender.step() > 0ms);
    CHECK(sender.status().dropped_age == 0);
    CHECK(run(sender) == 1000ms);
    CHECK(sender.status().dropped_age == 3);
    CHECK(receiver.of(R"(a{job="node"})") == "3:3 4:4 5:5");
    CHECK(store->logCursors().at("d") == store->logEnd().seq);

    // The collector itself was down: the destination gets everything.
    mustAppend(*store, {{metric("a"), {{10, 10}}}});
    clock_now += 100'000'000;
    CHECK(run(sender) == 1000ms);
    CHECK(sender.status().dropped_age == 3);
    CHECK(receiver.of(R"(a{job="node"})") == "3:3 4:4 5:5 10:10");
}

TEST_CASE("beyond `keep_size` the oldest samples are dropped and counted") {
    const test::TemporaryFolder dir;
    auto store = open(dir);
    auto destination = named("d");
    Receiver receiver;
    { const Sender first(destination, *store, receiver.post(), options(1)); }
    for (int t = 0; t < 10; ++t) {
        mustAppend(*store, {{metric("a"), {{t, 1.0 * t}}}});
    }
    const auto all = store->logBytes(0, store->logEnd().seq).value();
    REQUIRE(all % 10 == 0);
    destination.keep_bytes = static_cast<std::int64_t>(all / 10 * 4);
    Sender sender(destination, *store, receiver.post(), options(1));
    CHECK(run(sender) == 1000ms);
    CHECK(sender.status().dropped_size == 6);
    CHECK(receiver.of(R"(a{job="node"})") == "6:6 7:7 8:8 9:9");
}

TEST_CASE("samples of a series that was deleted before they were sent are counted") {
    const test::TemporaryFolder dir;
    auto options_of_store = storage::keepEverything(dir.path("lapwing.db"));
    options_of_store.retention_ms = 3'600'000;
    options_of_store.clock = clock;
    TimestampMs expiry = 1000;
    options_of_store.expiry_clock = [&expiry] { return expiry; };
    auto store = storage::openStore(options_of_store);
    const auto destination = named("d");
    Receiver receiver;
    Sender sender(destination, *store, receiver.post(), options());
    mustAppend(*store, {{metric("old"), {{1000, 1}, {2000, 2}}}});
    mustAppend(*store, {{metric("new"), {{clock_now, 3}}}});
    REQUIRE(store->compact());
    expiry = clock_now;
    REQUIRE(store->expire());
    run(sender);
    CHECK(receiver.samples() == 1);
    CHECK(sender.status().dropped_deleted == 2);
}

TEST_CASE("each status has its verdict") {
    for (const int status : {200, 202, 204}) {
        CHECK(verdictOf(status) == Verdict::stored);
    }
    for (const int status : {302, 408, 425, 429, 500, 503}) {
        CHECK(verdictOf(status) == Verdict::again);
    }
    for (const int status : {401, 403, 407}) {
        CHECK(verdictOf(status) == Verdict::denied);
    }
    for (const int status : {400, 409, 413, 422}) {
        CHECK(verdictOf(status) == Verdict::halve);
    }
    for (const int status : {402, 404, 405, 410, 415, 451}) {
        CHECK(verdictOf(status) == Verdict::refused);
    }
}

}  // namespace
}  // namespace lapwing::forward
