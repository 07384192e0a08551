#include "agent/delivery/spool.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/digest.h"
#include "common/model/documents.h"
#include "tests/unit/agent/spool_fixture.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"

using lapwing::ErrorKind;
using lapwing::agent::Spool;
using lapwing::agent::SpoolConfig;
using lapwing::test::drain;
using lapwing::test::numbered;
using lapwing::test::range;
using lapwing::test::TemporaryFolder;
using lapwing::test::valuesOf;

namespace {

SpoolConfig configIn(const TemporaryFolder& dir) {
    SpoolConfig config;
    config.path = dir.path("spool.db");
    return config;
}

std::unique_ptr<Spool> openSpool(const SpoolConfig& config) {
    auto spool = Spool::open(config);
    REQUIRE(spool);
    return std::move(*spool);
}

/// Incompressible, so that sizes are predictable.
std::vector<lapwing::TimeSeries> bulky(int number) {
    auto series = numbered(number);
    std::string noise;
    unsigned state = static_cast<unsigned>(number) * 2654435761U + 1;
    for (int i = 0; i < 4000; ++i) {
        state = state * 1664525U + 1013904223U;
        noise += static_cast<char>('!' + (state >> 24) % 90);
    }
    series[0].labels.set("noise", noise);
    return series;
}

}  // namespace

TEST_CASE("flushed samples come out again, in order, until they are sent") {
    const TemporaryFolder dir;
    const auto spool = openSpool(configIn(dir));
    CHECK_FALSE(spool->next(64));
    CHECK_FALSE(spool->dirty());
    for (int i = 0; i < 10; ++i) {
        spool->add(numbered(i));
        CHECK(spool->dirty());
        CHECK(spool->flush());
    }
    CHECK(spool->state().samples == 10);
    CHECK(spool->state().bytes > 0);
    CHECK(spool->state().oldest > 0);

    const auto three = spool->next(3);
    REQUIRE(three);
    CHECK(three->parts == 3);
    CHECK(valuesOf(three->body) == range(0, 3));
    CHECK(valuesOf(spool->next(3)->body) == range(0, 3));  // the same batch again: it was not sent
    spool->sent(*three);
    CHECK(spool->state().samples == 7);
    CHECK(drain(*spool, 1) == range(3, 10));
    CHECK(spool->state().samples == 0);
    CHECK(spool->state().bytes == 0);
    CHECK(spool->dirty());  // its rows must still be removed
    CHECK(spool->flush());
    CHECK_FALSE(spool->dirty());
}

TEST_CASE("unflushed samples are not sent, and are written when the spool closes") {
    const TemporaryFolder dir;
    {
        const auto spool = openSpool(configIn(dir));
        spool->add(numbered(0));
        CHECK_FALSE(spool->next(64));
        CHECK(spool->state().samples == 1);
    }
    const auto spool = openSpool(configIn(dir));
    CHECK(spool->state().samples == 1);
    CHECK(drain(*spool) == range(0, 1));
}

TEST_CASE("a reopened spool holds exactly the unsent samples") {
    const TemporaryFolder dir;
    {
        const auto spool = openSpool(configIn(dir));
        for (int i = 0; i < 20; ++i) {
            spool->add(numbered(i));
            spool->flush();
        }
        spool->sent(*spool->next(5));
        spool->flush();
    }
    const auto spool = openSpool(configIn(dir));
    CHECK(spool->state().samples == 15);
    spool->add(numbered(20));
    spool->flush();
    CHECK(drain(*spool) == range(5, 21));
}

TEST_CASE("many samples at once become several batches, and a request stays near a mebibyte") {
    const TemporaryFolder dir;
    const auto spool = openSpool(configIn(dir));
    std::vector<lapwing::TimeSeries> many;
    for (int i = 0; i < 12'000; ++i) {
        many.push_back(numbered(i)[0]);
    }
    spool->add(std::move(many));
    spool->flush();
    CHECK(spool->next(1)->samples == 5000);
    CHECK(drain(*spool) == range(0, 12'000));

    for (int i = 0; i < 400; ++i) {
        spool->add(bulky(i));
        spool->flush();
    }
    const auto batch = spool->next(400);
    REQUIRE(batch);
    CHECK(batch->parts > 100);
    CHECK(batch->parts < 300);
    CHECK(batch->body.size() < (3U << 20));
    CHECK(drain(*spool, 400) == range(0, 400));
}

TEST_CASE("beyond its size the spool drops the oldest samples and counts them") {
    const TemporaryFolder dir;
    auto config = configIn(dir);
    config.max_bytes = 100'000;
    const auto spool = openSpool(config);
    for (int i = 0; i < 100; ++i) {
        spool->add(bulky(i));
        spool->flush();
    }
    const auto state = spool->state();
    CHECK(state.bytes <= 100'000);
    CHECK(state.bytes > 90'000);
    CHECK(state.dropped.at("size") == 100 - state.samples);
    CHECK(drain(*spool) == range(static_cast<int>(100 - state.samples), 100));
    CHECK(std::filesystem::file_size(config.path) < 600'000);
}

TEST_CASE("samples older than the limit are dropped") {
    const TemporaryFolder dir;
    auto config = configIn(dir);
    {
        const auto spool = openSpool(config);
        for (int i = 0; i < 3; ++i) {
            spool->add(numbered(i));
            spool->flush();
        }
    }
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(config.path.c_str(), &raw) == SQLITE_OK);
    REQUIRE(sqlite3_exec(raw, "UPDATE batch SET at = at - 3600000 WHERE id <= 2", nullptr, nullptr,
                         nullptr) == SQLITE_OK);
    sqlite3_close(raw);
    config.max_age = std::chrono::minutes(30);
    const auto spool = openSpool(config);
    spool->add(numbered(3));
    spool->flush();
    CHECK(spool->state().dropped.at("age") == 2);
    CHECK(drain(*spool) == range(2, 4));
}

TEST_CASE("samples that the collector refused are counted as dropped") {
    const TemporaryFolder dir;
    const auto spool = openSpool(configIn(dir));
    spool->add(numbered(0));
    spool->flush();
    spool->refused(*spool->next(64));
    CHECK(spool->state().dropped.at("refused") == 1);
    CHECK_FALSE(spool->next(64));
}

TEST_CASE("each document is accepted once by its digest, across restarts") {
    const TemporaryFolder dir;
    const std::string body = "table inet filter";
    {
        const auto spool = openSpool(configIn(dir));
        spool->addDocument("ruleset", body);
        spool->addDocument("ruleset", body);
        spool->addDocument("mysql_error", "Error 1062");
        CHECK_FALSE(spool->nextDocument());
        spool->flush();
        const auto first = spool->nextDocument();
        REQUIRE(first);
        CHECK(first->kind == "ruleset");
        CHECK(first->body == body);
        CHECK(first->digest == lapwing::sha256(body));
        spool->documentDone(first->digest);
        CHECK(spool->nextDocument()->kind == "mysql_error");
        CHECK(spool->state().documents == 1);
    }
    const auto spool = openSpool(configIn(dir));
    spool->addDocument("ruleset", body);
    spool->flush();
    const auto left = spool->nextDocument();
    REQUIRE(left);
    CHECK(left->kind == "mysql_error");
    spool->documentDone(left->digest);
    CHECK_FALSE(spool->nextDocument());

    spool->addDocument("ruleset", std::string(lapwing::kMostUnpackedBytes + 1, 'x'));
    spool->flush();
    CHECK_FALSE(spool->nextDocument());
}

TEST_CASE("a document of more than 1 MiB waits packed, and in parts where it must") {
    const TemporaryFolder dir;
    const std::string large((1U << 20) + 1, 'x');
    std::string random;
    std::uint64_t number = 1;
    while (random.size() < (3U << 20)) {
        number = number * 6364136223846793005U + 1442695040888963407U;
        random += std::to_string(number);
    }
    std::string packed;
    {
        const auto spool = openSpool(configIn(dir));
        spool->addDocument("ruleset", large);
        spool->addDocument("ruleset", random);
        spool->flush();
        const auto first = spool->nextDocument();
        REQUIRE(first);
        CHECK(first->body.size() < large.size());
        CHECK(first->digest == lapwing::sha256(large));
        CHECK(lapwing::unpack(first->body).value() == large);
        spool->documentDone(first->digest);
        while (const auto part = spool->nextDocument()) {
            CHECK(part->body.size() <= lapwing::kMostDocumentBytes);
            const auto name = lapwing::DocumentPart::parse(part->digest);
            REQUIRE(name);
            CHECK(name->digest == lapwing::sha256(random));
            packed += part->body;
            spool->documentDone(part->digest);
        }
        CHECK(lapwing::unpack(packed).value() == random);
        spool->flush();
    }
    const auto spool = openSpool(configIn(dir));
    spool->addDocument("ruleset", random);
    spool->flush();
    CHECK_FALSE(spool->nextDocument());
}

TEST_CASE("SHA-256 as FIPS 180-4 gives it") {
    CHECK(lapwing::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a file that is not a database is set aside, and a new spool begun") {
    const TemporaryFolder dir;
    const auto config = configIn(dir);
    std::ofstream(config.path) << std::string(10'000, '?');
    const auto spool = openSpool(config);
    CHECK(std::filesystem::file_size(config.path + ".damaged") == 10'000);
    spool->add(numbered(0));
    CHECK(spool->flush());
    CHECK(drain(*spool) == range(0, 1));
}

TEST_CASE("a file that is damaged while in use is set aside, and later samples are kept") {
    const TemporaryFolder dir;
    const auto config = configIn(dir);
    {
        const auto spool = openSpool(config);
        for (int i = 0; i < 200; ++i) {
            spool->add(bulky(i));
            spool->flush();
        }
    }
    const auto size = std::filesystem::file_size(config.path);
    {
        // The first page, with the header and the schema, stays: it opens, and fails later.
        std::fstream file(config.path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(4096);
        const std::string garbage(size - 4096, '\x5a');
        file.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
    }
    const auto spool = openSpool(config);
    spool->add(numbered(1000));
    spool->addDocument("ruleset", "rules");
    spool->flush();
    while (const auto batch = spool->next(64)) {
        spool->sent(*batch);
    }
    spool->add(numbered(1001));
    CHECK(spool->flush());
    CHECK(std::filesystem::exists(config.path + ".damaged"));
    CHECK(valuesOf(spool->next(64)->body) == range(1001, 1002));
    CHECK(spool->state().trouble.empty());
    CHECK(spool->nextDocument());
}

TEST_CASE("a damaged page costs the batches on it, and no other") {
    const TemporaryFolder dir;
    const auto config = configIn(dir);
    {
        const auto spool = openSpool(config);
        for (int i = 0; i < 300; ++i) {
            spool->add(numbered(i));
            spool->flush();
        }
        spool->addDocument("ruleset", "rules");
        spool->flush();
    }
    std::string whole;
    {
        std::ifstream in(config.path, std::ios::binary);
        whole.assign(std::istreambuf_iterator<char>(in), {});
    }
    REQUIRE(whole.size() > 10 * 4096);
    std::size_t most_lost = 0;
    for (std::size_t page = 0; page < whole.size() / 4096; ++page) {
        for (const char* suffix : {"", "-wal", "-shm", ".damaged"}) {
            std::filesystem::remove(config.path + suffix);
        }
        auto bad = whole;
        std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(page * 4096), 4096, '\x5a');
        std::ofstream(config.path, std::ios::binary) << bad;
        INFO("page " << page + 1);
        const auto spool = openSpool(config);
        const auto kept = drain(*spool);
        for (const auto value : kept) {
            CHECK((value >= 0 && value < 300));
        }
        most_lost = std::max(most_lost, 300 - kept.size());
        spool->add(numbered(1000));
        CHECK(spool->flush());
        CHECK(drain(*spool) == range(1000, 1001));
    }
    // A page has room for some fifty batches of one sample.
    CHECK(most_lost < 80);
}

TEST_CASE("batches behind a damaged frame of the spool's write-ahead log are kept") {
    const TemporaryFolder dir;
    const auto config = configIn(dir);
    const auto copy = dir.path("copy.db");
    {
        const auto spool = openSpool(config);
        for (int i = 0; i < 20; ++i) {
            spool->add(numbered(i));
            spool->flush();
        }
        // As a kill leaves it.
        std::filesystem::copy_file(config.path, copy);
        std::filesystem::copy_file(config.path + "-wal", copy + "-wal");
    }
    const auto frames = (std::filesystem::file_size(copy + "-wal") - 32) / (4096 + 24);
    REQUIRE(frames > 10);
    {
        std::fstream wal(copy + "-wal", std::ios::in | std::ios::out | std::ios::binary);
        wal.seekp(static_cast<std::streamoff>(32 + (frames / 2) * (4096 + 24) + 2000));
        wal.write("damaged", 7);
    }
    auto damaged = config;
    damaged.path = copy;
    const auto kept = drain(*openSpool(damaged));
    REQUIRE_FALSE(kept.empty());
    CHECK(kept.back() == 19);
    CHECK(kept.size() >= 19);
}

TEST_CASE("a spool belongs to one process and needs a writable folder") {
    const TemporaryFolder dir;
    const auto spool = openSpool(configIn(dir));
    const auto second = Spool::open(configIn(dir));
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::unavailable);

    SpoolConfig nowhere;
    nowhere.path = dir.path("no/such/folder/spool.db");
    const auto absent = Spool::open(nowhere);
    REQUIRE_FALSE(absent);
    CHECK(absent.error().kind == ErrorKind::denied);
    CHECK(absent.error().message.find(nowhere.path) == 0);
}
