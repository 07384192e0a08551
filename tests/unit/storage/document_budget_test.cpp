#include <string>

#include "collector/storage/store.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

/// A body that zlib cannot make smaller.
std::string noise(std::size_t size, unsigned seed) {
    std::string out(size, '\0');
    unsigned value = seed;
    for (auto& c : out) {
        value = value * 1664525U + 1013904223U;
        c = static_cast<char>(value >> 24U);
    }
    return out;
}

Document of(const std::string& host, const std::string& digest, TimestampMs received,
            std::size_t size = 300'000) {
    return {digest, "ruleset", host, received, noise(size, static_cast<unsigned>(received))};
}

bool has(const Store& store, const std::string& digest) {
    const auto found = store.document(digest);
    REQUIRE(found);
    return found->has_value();
}

}  // namespace

TEST_CASE("beyond its budget a sender loses its own oldest documents, and nobody else does") {
    const test::TemporaryFolder directory;
    auto options = keepEverything(directory.path("lapwing.db"));
    options.limits.agent_document_bytes = 1'000'000;
    auto store = openStore(options);
    REQUIRE(store->putDocument(of("web-02", "other", 1)));
    for (int i = 0; i < 10; ++i) {
        REQUIRE(store->putDocument(of("web-01", "d" + std::to_string(i), 10 + i)));
    }
    CHECK(has(*store, "other"));
    CHECK_FALSE(has(*store, "d0"));
    CHECK(has(*store, "d9"));
    const auto stats = store->stats().documents;
    CHECK(stats.at("web-01").bytes <= 1'000'000);
    CHECK(stats.at("web-01").dropped >= 7);
    CHECK(stats.at("web-01").refused == 0);
    CHECK(stats.at("web-02").dropped == 0);
}

TEST_CASE("a document that an active series names stays, and a document without room is refused") {
    const test::TemporaryFolder directory;
    auto options = keepEverything(directory.path("lapwing.db"));
    options.limits.agent_document_bytes = 1'000'000;
    auto store = openStore(options);
    const TimestampMs now = options.clock();
    for (int i = 0; i < 3; ++i) {
        const std::string digest = "d" + std::to_string(i);
        REQUIRE(store->putDocument(of("web-01", digest, 10 + i)));
        mustAppend(*store, {{Labels{{"__name__", "ruleset"}, {"digest", digest}}, {{now, 1}}}});
    }
    const auto refused = store->putDocument(of("web-01", "d3", 20));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::exhausted);
    CHECK(refused.error().message.find("web-01") != std::string::npos);
    CHECK(has(*store, "d0"));
    CHECK(store->stats().documents.at("web-01").refused == 1);
    CHECK(store->putDocument(of("web-02", "e0", 20)));
    // The same document again needs no room.
    CHECK(store->putDocument(of("web-01", "d2", 12)));
}

TEST_CASE("the budget counts what was stored before a restart, and what is deleted frees it") {
    const test::TemporaryFolder directory;
    auto options = keepEverything(directory.path("lapwing.db"));
    {
        auto store = openStore(options);
        REQUIRE(store->putDocument(of("web-01", "d0", 10)));
        REQUIRE(store->putDocument(of("web-01", "d1", 11)));
        REQUIRE(store->dropDocument("d1"));
    }
    auto store = openStore(options);
    const auto before = store->stats().documents.at("web-01").bytes;
    CHECK(before >= 300'000);
    CHECK(before < 310'000);
    REQUIRE(store->putDocument({"d0", "ruleset", "web-02", 12, noise(300'000, 10)}));
    CHECK(store->stats().documents.at("web-01").bytes == 0);
    CHECK(store->stats().documents.at("web-02").bytes == before);
}

TEST_CASE("documents take at most a quarter of the size of the retention, in equal shares") {
    const test::TemporaryFolder directory;
    auto options = keepEverything(directory.path("lapwing.db"));
    options.retention_bytes = 64 << 20;
    auto store = openStore(options);
    for (int i = 0; i < 40; ++i) {
        REQUIRE(store->putDocument(of("web-01", "d" + std::to_string(i), 10 + i, 1'000'000)));
    }
    CHECK(store->stats().documents.at("web-01").bytes <= 16 << 20);
    REQUIRE(store->putDocument(of("web-02", "e", 100, 1'000'000)));
    REQUIRE(store->putDocument(of("web-01", "last", 101, 1'000'000)));
    CHECK(store->stats().documents.at("web-01").bytes <= 8 << 20);
}

}  // namespace lapwing::storage
