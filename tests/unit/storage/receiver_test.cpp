#include "collector/ingest/receiver.h"

#include <snappy.h>

#include <future>

#include "common/digest.h"
#include "common/model/documents.h"
#include "common/model/remote_write.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::ingest {
namespace {

using storage::mustSelect;
using storage::openStore;
using storage::samplesOf;
using storage::SqliteStore;
using test::TemporaryFolder;

TimestampMs fixedClock() {
    return 1'000'000;
}

RequestHead headOf(const std::string& agent, std::size_t length = 10) {
    return {agent, "application/x-protobuf", "snappy", "0.1.0", length};
}

const Labels kUp{{"__name__", "up"}, {"job", "node"}};

/// A store whose writes fail, or block until released.
class BrokenStore : public storage::Store {
  public:
    explicit BrokenStore(ErrorKind kind) : kind_(kind) {}
    std::promise<void> entered;
    std::shared_future<void> gate;

    using Store::append;
    Expected<storage::AppendResult> append(std::span<storage::BatchSeries>, const std::string&) override {
        if (gate.valid()) {
            entered.set_value();
            gate.wait();
        }
        return fail(kind_, "database: database or disk is full");
    }
    Expected<void> deleteSeries(const std::vector<storage::Matchers>&, TimestampMs, TimestampMs) override {
        return fail(kind_, "database: full");
    }
    Expected<void> putDocument(const storage::Document&) override { return fail(kind_, "database: full"); }
    Expected<std::optional<storage::Document>> document(const std::string&, std::size_t) const override {
        return {};
    }
    Expected<void> dropDocument(const std::string&) override { return {}; }
    Expected<void> putState(const std::string&, const std::string&) override { return {}; }
    Expected<std::optional<std::string>> state(const std::string&) const override { return {}; }
    Expected<std::map<std::string, std::string>> states(const std::string&) const override { return {}; }
    storage::StoreStats stats() const override { return {}; }
    Expected<std::vector<storage::LoggedBatch>> readLog(std::uint64_t, std::size_t) const override {
        return {};
    }
    storage::LogEnd logEnd() const override { return {}; }
    Expected<std::uint64_t> logBytes(std::uint64_t, std::uint64_t) const override { return 0; }
    std::map<std::string, std::uint64_t> logCursors() const override { return {}; }
    Expected<void> putLogCursor(const std::string&, std::uint64_t) override { return {}; }
    Expected<void> dropLogCursor(const std::string&) override { return {}; }
    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers&, TimestampMs, TimestampMs,
                                                         std::size_t /*max_samples*/) const override {
        return {};
    }
    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>&, TimestampMs,
                                         TimestampMs) const override {
        return {};
    }
    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>&, TimestampMs,
                                                  TimestampMs) const override {
        return {};
    }
    Expected<std::vector<std::string>> labelValues(const std::string&, const std::vector<storage::Matchers>&,
                                                   TimestampMs, TimestampMs) const override {
        return {};
    }

  private:
    ErrorKind kind_;
};

TEST_CASE("a write is 204, carries its agent, and a repetition is 204 too") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    const auto body = encodeRemoteWrite({{kUp, {{1000, 1}, {2000, 0}}}});
    REQUIRE(!receiver.checkWrite(headOf("web-01", body.size())));
    const auto first = receiver.write(headOf("web-01"), body);
    CHECK(first.status == 204);
    CHECK(first.body.empty());
    CHECK(first.stored == 2);
    const auto again = receiver.write(headOf("web-01"), body);
    CHECK(again.status == 204);
    CHECK(again.duplicates == 2);
    const auto result = mustSelect(*store, {}, 0, 5000);
    REQUIRE(result.size() == 1);
    CHECK(*result[0].labels == Labels{{"__name__", "up"}, {"agent", "web-01"}, {"job", "node"}});

    CHECK(receiver.totals().stored == 2);
    CHECK(receiver.totals().duplicates == 2);
    CHECK(receiver.totals().requests == 2);
    CHECK(receiver.totals().rejected_requests == 0);
}

TEST_CASE("local ingest keeps the labels as they are") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    Labels claimed = kUp;
    claimed.set("agent", "web-09");
    CHECK(receiver.write(headOf(""), encodeRemoteWrite({{kUp, {{1, 1}}}, {claimed, {{1, 1}}}})).status ==
          204);
    CHECK(store->series({}, 0, 10).value() == std::vector<Labels>{claimed, kUp});
}

TEST_CASE("known labels mean the same series, for the same agent only") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    for (int i = 1; i <= 3; ++i) {
        for (const char* agent : {"web-01", "web-02"}) {
            const auto body = encodeRemoteWrite({{kUp, {{i * 1000, static_cast<double>(i)}}}});
            CHECK(receiver.write(headOf(agent), body).status == 204);
        }
    }
    const auto result = mustSelect(*store, {}, 0, 5000);
    REQUIRE(result.size() == 2);
    for (const auto& series : result) {
        CHECK(series.samples.size() == 3);
    }
    // Refused samples of a known series are named too.
    const auto refused =
        receiver.write(headOf("web-01"), encodeRemoteWrite({{kUp, {{2000, 9}, {4'600'001, 1}}}}));
    CHECK(refused.status == 400);
    CHECK(refused.body.find("2 of 2 samples refused") == 0);
    const auto conflict = receiver.write(headOf("web-01"), encodeRemoteWrite({{kUp, {{2000, 9}}}}));
    CHECK(conflict.body ==
          "1 of 1 samples refused, the others are stored; the first: up{agent=\"web-01\", job=\"node\"} at "
          "2000: another value is stored for this time");
}

TEST_CASE("a known series that has been deleted is created again") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    const Labels other{{"__name__", "other"}};
    REQUIRE(receiver.write(headOf("a"), encodeRemoteWrite({{kUp, {{1, 1}}}, {other, {{1, 1}}}})).stored == 2);
    REQUIRE(store->deleteSeries({storage::named("up")}, 0, INT64_MAX));
    CHECK(store->stats().series == 1);
    for (int i = 2; i <= 3; ++i) {
        const auto body = encodeRemoteWrite({{kUp, {{i, 1}}}, {other, {{i, 1}}}});
        CHECK(receiver.write(headOf("a"), body).stored == 2);
    }
    CHECK(samplesOf(*store, storage::named("up")) == "2:1 3:1");
    CHECK(samplesOf(*store, storage::named("other")) == "1:1 2:1 3:1");
}

TEST_CASE("series beyond the number of remembered ones are stored too") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Limits limits;
    limits.known_series = 10;
    Receiver receiver(*store, limits, fixedClock);
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 30; ++i) {
            const Labels labels{{"__name__", "n"}, {"i", std::to_string(i)}};
            REQUIRE(receiver.write(headOf("a"), encodeRemoteWrite({{labels, {{round, 1}}}})).stored == 1);
        }
    }
    CHECK(store->stats().series == 30);
    CHECK(mustSelect(*store, {}, 0, 10).size() == 30);
}

TEST_CASE("what only another host can know is refused and counted, the rest of the batch is stored") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    const Labels own{{"__name__", "up"}, {"instance", "web-02"}, {"job", "node"}};
    const Labels observed{{"__name__", "haproxy_up"}, {"instance", "lb-01"}, {"job", "haproxy"}};
    const Labels forged{{"__name__", "lapwing_listener_info"}, {"instance", "web-01"}, {"job", "sockets"}};
    const auto body = encodeRemoteWrite({{own, {{1, 1}}}, {observed, {{1, 1}}}, {forged, {{1, 1}, {2, 1}}}});
    for (const std::size_t stored : {2, 0}) {
        const auto answer = receiver.write(headOf("web-02"), body);
        CHECK(answer.status == 400);
        CHECK(answer.stored == stored);
        CHECK(answer.refused == 2);
        CHECK(answer.body.find("web-02 cannot know this of web-01") != std::string::npos);
    }
    CHECK(store->series({}, 0, 10).value().size() == 2);
    std::vector<prometheus::MetricFamily> metrics;
    receiver.addMetrics(metrics);
    const auto& refused = metrics.back();
    REQUIRE(refused.name == "lapwing_collector_foreign_samples_refused_total");
    REQUIRE(refused.metric.size() == 1);
    CHECK(refused.metric[0].label[0].value == "web-02");
    CHECK(refused.metric[0].counter.value == 4);
    // Local ingest is the operator's own.
    CHECK(receiver.write(headOf(""), encodeRemoteWrite({{forged, {{1, 1}}}})).status == 204);
}

TEST_CASE("a series that claims another agent is 403 and nothing is stored") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    Labels own = kUp;
    own.set("agent", "web-01");
    Labels other = kUp;
    other.set("agent", "web-02");
    const auto answer =
        receiver.write(headOf("web-01"), encodeRemoteWrite({{own, {{1, 1}}}, {other, {{1, 1}}}}));
    CHECK(answer.status == 403);
    CHECK(answer.body == "up{agent=\"web-02\", job=\"node\"}: claims another agent than web-01");
    CHECK(store->stats().series == 0);
    CHECK(receiver.totals().requests == 1);
    CHECK(receiver.totals().rejected_requests == 1);
    CHECK(receiver.write(headOf("web-01"), encodeRemoteWrite({{own, {{1, 1}}}})).status == 204);
}

TEST_CASE("a wrong header is refused before the body is read") {
    BrokenStore store(ErrorKind::internal);
    Receiver receiver(store, {}, fixedClock);
    const auto status = [&](auto change) {
        auto head = headOf("web-01");
        change(head);
        const auto answer = receiver.checkWrite(head);
        return answer ? answer->status : 0;
    };
    CHECK(status([](RequestHead&) {}) == 0);
    CHECK(status([](RequestHead& h) { h.content_type = "text/plain"; }) == 415);
    CHECK(status([](RequestHead& h) { h.content_type = ""; }) == 415);
    CHECK(status([](RequestHead& h) {
              h.content_type = "Application/X-Protobuf; proto=prometheus.WriteRequest";
          }) == 0);
    CHECK(status([](RequestHead& h) {
              h.content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
          }) == 0);
    CHECK(status([](RequestHead& h) { h.content_type = "application/x-protobuf; proto=other"; }) == 415);
    CHECK(status([](RequestHead& h) { h.content_encoding = "gzip"; }) == 415);
    CHECK(status([](RequestHead& h) { h.content_encoding = ""; }) == 415);
    CHECK(status([](RequestHead& h) { h.version = "2.0.0"; }) == 0);
    CHECK(status([](RequestHead& h) { h.version = "3.0.0"; }) == 415);
    CHECK(status([](RequestHead& h) { h.version = ""; }) == 0);
    CHECK(status([](RequestHead& h) { h.content_length.reset(); }) == 411);
    CHECK(status([](RequestHead& h) { h.content_length = (8U << 20) + 1; }) == 413);
    CHECK(status([](RequestHead& h) { h.content_length = 8U << 20; }) == 0);
    CHECK(receiver.totals().rejected_requests == 8);
}

TEST_CASE("a body that does not decode is 400, and a body that declares too many bytes is 413") {
    BrokenStore store(ErrorKind::internal);
    Receiver receiver(store, {}, fixedClock);
    CHECK(receiver.write(headOf("web-01"), "").status == 400);
    CHECK(receiver.write(headOf("web-01"), "garbage").status == 400);
    std::string compressed;
    snappy::Compress("not protobuf", 12, &compressed);
    CHECK(receiver.write(headOf("web-01"), compressed).status == 400);
    // Declares 4 GB - 1 uncompressed, and has two bytes.
    CHECK(receiver.write(headOf("web-01"), std::string("\xff\xff\xff\xff\x0f\x00\x00", 7)).status == 413);
    Limits few;
    few.write.samples = 1;
    Receiver strict(store, few, fixedClock);
    CHECK(strict.write(headOf("web-01"), encodeRemoteWrite({{kUp, {{1, 1}, {2, 1}}}})).status == 413);
}

TEST_CASE("refused samples are counted and the first is named, the others are stored") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    CHECK(receiver.write(headOf("a"), encodeRemoteWrite({{kUp, {{1000, 1}}}})).status == 204);
    const Labels nameless{{"job", "node"}};
    const Labels binary{{"__name__", "up"}, {"job", "\xff"}};
    const auto conflict = receiver.write(headOf("a"), encodeRemoteWrite({{kUp, {{1000, 2}, {2000, 3}}}}));
    CHECK(conflict.status == 400);
    CHECK(conflict.stored == 1);
    CHECK(conflict.refused == 1);
    CHECK(conflict.body ==
          "1 of 2 samples refused, the others are stored; the first: up{agent=\"a\", "
          "job=\"node\"} at 1000: another value is stored for this time");
    const auto labels = receiver.write(
        headOf("a"),
        encodeRemoteWrite({{nameless, {{1, 1}, {2, 2}}}, {binary, {{1, 1}}}, {kUp, {{3000, 1}}}}));
    CHECK(labels.status == 400);
    CHECK(labels.stored == 1);
    CHECK(labels.refused == 3);
    CHECK(labels.body ==
          "3 of 4 samples refused, the others are stored; the first: {agent=\"a\", job=\"node\"}: a "
          "series without a metric name");
    const auto future =
        receiver.write(headOf("a"), encodeRemoteWrite({{kUp, {{4'600'000, 1}, {4'600'001, 1}}}}));
    CHECK(future.status == 400);
    CHECK(future.stored == 1);
    CHECK(future.refused_times == 1);
    CHECK(future.newest == 4'600'001);
    CHECK(labels.refused_times == 0);
    CHECK(samplesOf(*store, storage::named("up")) == "1000:1 2000:3 3000:1 4600000:1");
    CHECK(receiver.totals().refused == 5);
    CHECK(receiver.totals().rejected_requests == 0);
}

TEST_CASE("a native histogram is refused and counted") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    // WriteRequest{timeseries{labels{__name__ up}, samples{1 at 1}, histograms{}, exemplars{}}}
    const std::string series = std::string("\x0a\x0e\x0a\x08__name__\x12\x02up", 16) +
                               std::string("\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01", 13) +
                               std::string("\x22\x00\x1a\x00", 4);
    const std::string request = std::string("\x0a") + static_cast<char>(series.size()) + series;
    std::string body;
    snappy::Compress(request.data(), request.size(), &body);
    const auto answer = receiver.write(headOf("a"), body);
    CHECK(answer.status == 400);
    CHECK(answer.stored == 1);
    CHECK(answer.body ==
          "1 of 2 samples refused, the others are stored; the first: native histograms are not supported");
    CHECK(receiver.totals().histograms == 1);
    CHECK(receiver.totals().exemplars == 1);
}

TEST_CASE("a store that cannot write now is 503 with a time to try again, a broken one 500") {
    BrokenStore full(ErrorKind::unavailable);
    Receiver receiver(full, {}, fixedClock);
    const auto answer = receiver.write(headOf("a"), encodeRemoteWrite({{kUp, {{1, 1}}}}));
    CHECK(answer.status == 503);
    CHECK(answer.retry_after_s == 5);
    CHECK(answer.stored == 0);
    CHECK(receiver.putDocument("a", "ruleset", "x").status == 503);
    CHECK(receiver.putDocument("a", "ruleset", "x").retry_after_s == 5);
    CHECK(receiver.totals().rejected_requests == receiver.totals().requests);
    BrokenStore broken(ErrorKind::internal);
    CHECK(Receiver(broken, {}, fixedClock).write(headOf("a"), encodeRemoteWrite({{kUp, {{1, 1}}}})).status ==
          500);
}

TEST_CASE("an agent that exceeds its rate is 429 until its debt is paid, others are not") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Limits limits;
    limits.samples_per_second = 1;
    limits.burst_seconds = 10;
    Receiver receiver(*store, limits, fixedClock);
    std::vector<Sample> many;
    for (int i = 0; i < 110; ++i) {
        many.push_back({i, 1});
    }
    REQUIRE(!receiver.checkWrite(headOf("web-01")));
    // A batch is never cut: its debt delays the next one.
    CHECK(receiver.write(headOf("web-01"), encodeRemoteWrite({{kUp, many}})).status == 204);
    const auto answer = receiver.checkWrite(headOf("web-01"));
    REQUIRE(answer);
    CHECK(answer->status == 429);
    CHECK(answer->retry_after_s >= 90);
    CHECK(answer->retry_after_s <= 100);
    CHECK(answer->body == "more than 1 samples a second from web-01");
    CHECK(receiver.checkDocument(headOf("web-01"), "ruleset")->status == 429);
    CHECK(!receiver.checkWrite(headOf("web-02")));
    CHECK(!receiver.checkWrite(headOf("")));
}

TEST_CASE("requests in flight are limited for each agent and in total") {
    BrokenStore store(ErrorKind::unavailable);
    std::promise<void> gate;
    store.gate = gate.get_future().share();
    Limits limits;
    limits.in_flight_per_agent = 1;
    limits.in_flight = 1;
    Receiver receiver(store, limits, fixedClock);
    const auto body = encodeRemoteWrite({{kUp, {{1, 1}}}});
    auto waiting = std::async(std::launch::async, [&] { return receiver.write(headOf("web-01"), body); });
    store.entered.get_future().wait();
    const auto own = receiver.write(headOf("web-01"), body);
    const auto other = receiver.write(headOf("web-02"), body);
    gate.set_value();
    CHECK(own.status == 429);
    CHECK(own.retry_after_s == 1);
    CHECK(other.status == 503);
    CHECK(other.retry_after_s == 1);
    CHECK(waiting.get().status == 503);
    store.gate = {};
    CHECK(receiver.write(headOf("web-02"), body).body == "database: database or disk is full");
}

TEST_CASE("a document is stored under its SHA-256") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    REQUIRE(!receiver.checkDocument(headOf("web-01"), "ruleset"));
    const auto answer = receiver.putDocument("web-01", "ruleset", "abc");
    CHECK(answer.status == 200);
    // FIPS 180-2, appendix B.1.
    CHECK(answer.body == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const auto document = store->document(answer.body).value();
    REQUIRE(document);
    CHECK(document->kind == "ruleset");
    CHECK(document->host == "web-01");
    CHECK(document->received == 1'000'000);
    CHECK(document->body == "abc");
    CHECK(receiver.totals().documents == 1);
    CHECK(receiver.totals().rejected_requests == 0);

    for (const char* kind : {"", "Ruleset", "a b", "1a", "../x", "a23456789012345678901234567890123"}) {
        CHECK(receiver.checkDocument(headOf("web-01"), kind)->status == 400);
        CHECK(receiver.putDocument("web-01", kind, "abc").status == 400);
    }
    CHECK(receiver.checkDocument(headOf("web-01", (1U << 20) + 1), "ruleset")->status == 413);
    CHECK(!receiver.checkDocument(headOf("web-01", 1U << 20), "ruleset"));
    auto unknown = headOf("web-01");
    unknown.content_length.reset();
    CHECK(receiver.checkDocument(unknown, "ruleset")->status == 411);
    CHECK(receiver.putDocument("web-01", "ruleset", std::string((1U << 20) + 1, 'x')).status == 413);
    CHECK(receiver.putDocument("web-01", "ruleset", std::string(1U << 20, 'x')).status == 200);
}

/// A store of documents that counts the bytes which it gives.
class CountingStore : public BrokenStore {
  public:
    CountingStore() : BrokenStore(ErrorKind::internal) {}
    Expected<void> putDocument(const storage::Document& document) override {
        documents_[document.digest] = document;
        return {};
    }
    Expected<std::optional<storage::Document>> document(const std::string& digest,
                                                        std::size_t most) const override {
        const auto found = documents_.find(digest);
        if (found == documents_.end()) {
            return std::optional<storage::Document>();
        }
        if (found->second.body.size() > most) {
            return fail(ErrorKind::exhausted, "larger");
        }
        given += found->second.body.size();
        return found->second;
    }
    mutable std::size_t given = 0;

  private:
    std::map<std::string, storage::Document> documents_;
};

TEST_CASE("a part of a document does not cost the other parts before all are there") {
    CountingStore store;
    Receiver receiver(store, {}, fixedClock);
    const auto whole = pack(std::string(300, 'x'));
    const auto send = [&](std::size_t number) {
        return receiver.putDocumentPart("web-01", "ruleset", DocumentPart{sha256(whole), number, 3}.name(),
                                        whole.substr((number - 1) * 100, 100));
    };
    for (int again = 0; again < 3; ++again) {
        CHECK(send(1).status == 200);
        CHECK(send(2).status == 200);
        CHECK(store.given == 0);
    }
    CHECK(send(3).body == sha256(whole));
    CHECK(store.given == 300);
}

TEST_CASE("a large document comes packed, or packed and in parts") {
    const test::TemporaryFolder dir;
    auto store = openStore(storage::keepEverything(dir.path("lapwing.db")));
    Receiver receiver(*store, {}, fixedClock);
    std::string whole;
    std::uint64_t random = 1;
    while (whole.size() < (3U << 20)) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        whole += std::to_string(random);
    }
    const auto digest = sha256(whole);
    const auto packed = pack(whole);
    REQUIRE(packed.size() < whole.size());
    REQUIRE(packed.size() > kMostDocumentBytes);
    const auto count = (packed.size() + kMostDocumentBytes - 1) / kMostDocumentBytes;
    const auto send = [&](std::size_t number, std::string bytes) {
        return receiver.putDocumentPart("web-01", "ruleset", DocumentPart{digest, number, count}.name(),
                                        std::move(bytes));
    };
    for (std::size_t i = count; i > 0; --i) {  // in any order
        CHECK_FALSE(store->document(digest).value());
        CHECK(send(i, packed.substr((i - 1) * kMostDocumentBytes, kMostDocumentBytes)).status == 200);
    }
    const auto document = store->document(digest).value();
    REQUIRE(document);
    CHECK(document->body == whole);
    CHECK(document->kind == "ruleset");
    CHECK(document->host == "web-01");
    CHECK(receiver.totals().documents == 1);

    // Parts of other bytes make no document, and the next try starts anew.
    std::string other = packed;
    other[packed.size() / 2] = static_cast<char>(other[packed.size() / 2] + 1);
    const auto last = [&] {
        Answer out;
        for (std::size_t i = 1; i <= count; ++i) {
            out = send(i, other.substr((i - 1) * kMostDocumentBytes, kMostDocumentBytes));
        }
        return out;
    }();
    CHECK(last.status == 400);
    for (const char* name : {"", "abc/1/2", "x/1/1"}) {
        CHECK(receiver.putDocumentPart("web-01", "ruleset", name, "abc").status == 400);
    }
    for (const auto& part :
         {DocumentPart{digest, 3, 2}, DocumentPart{digest, 0, 2}, DocumentPart{digest, 1, 65}}) {
        CHECK(receiver.putDocumentPart("web-01", "ruleset", part.name(), "abc").status == 400);
    }
    CHECK(send(1, std::string(kMostDocumentBytes + 1, 'x')).status == 413);
    // A small body that unpacks to a very large one is refused.
    const auto bomb = pack(std::string(kMostUnpackedBytes + 1, 'x'));
    REQUIRE(bomb.size() < kMostDocumentBytes);
    CHECK(receiver.putDocument("web-01", "ruleset", bomb).status == 413);
    CHECK(receiver.putDocument("web-01", "ruleset", pack(std::string(2U << 20, 'x'))).body ==
          sha256(std::string(2U << 20, 'x')));
}

}  // namespace
}  // namespace lapwing::ingest
