#include <sqlite3.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

const Labels kUp{{"__name__", "up"}, {"agent", "web-01"}};

std::string contentOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void write(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// Checks that opening fails with this message, and changes no byte.
void checkRefused(const std::string& path, const std::string& message) {
    const auto before = contentOf(path);
    const auto store = Store::open(keepEverything(path));
    REQUIRE(!store);
    CHECK(store.error().message.find(message) != std::string::npos);
    CHECK(store.error().message.find(path) == 0);
    INFO(store.error().message);
    CHECK(contentOf(path) == before);
}

void sql(const std::string& path, const char* statements) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, statements, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

/// A database with several windows of samples, closed.
void fill(const std::string& path) {
    auto store = openStore(keepEverything(path));
    for (int s = 0; s < 50; ++s) {
        std::vector<Sample> samples;
        for (int i = 0; i < 200; ++i) {
            samples.push_back({i * 100'000, i * 1.37 * s});
        }
        mustAppend(*store, {{Labels{{"__name__", "m" + std::to_string(s)}, {"agent", "a"}}, samples}});
    }
    REQUIRE(store->compact());
    mustAppend(*store, {{kUp, {{1000, 1}}}});
}

TEST_CASE("a foreign file is refused and left as it is") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("lapwing.db");
    write(path, "These are my notes.\n");
    checkRefused(path, "is not a SQLite database");
    write(path, std::string(100'000, '\0'));
    checkRefused(path, "is not a SQLite database");
    std::filesystem::remove(path);
    sql(path, "PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    checkRefused(path, "is another program's database");
    CHECK_FALSE(std::filesystem::exists(path + "-wal"));
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    const auto store = Store::open(keepEverything(path));
    REQUIRE(!store);
    CHECK(store.error().message == path + ": is not a regular file");
}

TEST_CASE("a file of a newer version is refused and left as it is") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    sql(dir.path("lapwing.db"), ("PRAGMA user_version=" + std::to_string(kSchemaVersion + 1)).c_str());
    checkRefused(dir.path("lapwing.db"), "was written by a newer version of Lapwing");
}

TEST_CASE("a file that is cut short is refused and left as it is") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    const auto whole = contentOf(dir.path("lapwing.db"));
    for (const std::size_t length :
         {std::size_t{50}, std::size_t{100}, std::size_t{4096}, whole.size() - 1}) {
        write(dir.path("lapwing.db"), whole.substr(0, length));
        checkRefused(dir.path("lapwing.db"), "");
    }
}

TEST_CASE("a damaged file is refused and left as it is") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    const auto whole = contentOf(dir.path("lapwing.db"));
    REQUIRE(whole.size() > 5 * 4096);
    const auto everything = [](const Store& store) {
        std::string out;
        const auto result = store.select({}, 0, INT64_MAX, 1'000'000);
        if (!result) {
            return result.error().message;
        }
        for (const auto& one : *result) {
            out += one.labels->toString();
            for (const auto& s : one.samples) {
                out += ' ' + std::to_string(s.timestamp) + ':' + std::to_string(s.value);
            }
        }
        return out;
    };
    const auto wanted = everything(*openStore(keepEverything(dir.path("lapwing.db"))));
    std::size_t refused = 0;
    std::size_t reported = 0;
    for (std::size_t half = 0; half < whole.size() / 2048; ++half) {
        auto bad = whole;
        // Page 1 begins with the bytes that identify the file.
        const std::size_t start = half * 2048 + (half == 0 ? 100 : 0);
        for (std::size_t i = 0; i < 64; ++i) {
            bad[start + i] = static_cast<char>(0xa5);
        }
        write(dir.path("lapwing.db"), bad);
        std::filesystem::remove(dir.path("lapwing.db") + "-wal");
        std::filesystem::remove(dir.path("lapwing.db") + "-shm");
        const auto store = Store::open(keepEverything(dir.path("lapwing.db")));
        if (store) {
            // A read finds damage inside a block by its checksum. An unused page may hold anything.
            const auto read = everything(**store);
            const bool damaged = read.ends_with("is damaged");
            CHECK((damaged || read == wanted));
            reported += damaged ? 1 : 0;
        } else {
            ++refused;
            CHECK(contentOf(dir.path("lapwing.db")) == bad);
        }
    }
    CHECK(refused >= 6);
    CHECK(reported >= 1);
    write(dir.path("lapwing.db"), whole);
    CHECK(everything(*openStore(keepEverything(dir.path("lapwing.db")))) == wanted);
}

TEST_CASE("a log that names an unknown series is refused and left as it is") {
    for (const char* which : {"min", "max"}) {
        const test::TemporaryFolder dir;
        const auto path = dir.path("lapwing.db");
        {
            auto store = openStore(keepEverything(path));
            mustAppend(*store, {{kUp, {{1000, 1}}}, {Labels{{"__name__", "other"}}, {{1000, 2}}}});
        }
        sql(path,
            ("DELETE FROM series WHERE id = (SELECT " + std::string(which) + "(id) FROM series)").c_str());
        checkRefused(path, "which is unknown");
    }
}

TEST_CASE("the error for an unusable path says why") {
    const test::TemporaryFolder dir;
    auto store = Store::open(keepEverything(dir.path("missing/lapwing.db")));
    REQUIRE(!store);
    CHECK(store.error().message.find("No such file or directory") != std::string::npos);
    store = Store::open(keepEverything(""));
    REQUIRE(!store);
    CHECK(store.error().kind == ErrorKind::invalid);
}

TEST_CASE("one file belongs to one process") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    const auto second = Store::open(keepEverything(dir.path("lapwing.db")));
    REQUIRE(!second);
    CHECK(second.error().message == dir.path("lapwing.db") + ": is in use by another process");
    mustAppend(*store, {{kUp, {{1000, 1}}}});
    store.reset();
    CHECK(samplesOf(*openStore(keepEverything(dir.path("lapwing.db"))), named("up")) == "1000:1");
}

TEST_CASE("an empty file becomes a new database, a stray WAL is not replayed into it") {
    const test::TemporaryFolder dir;
    write(dir.path("lapwing.db"), "");
    CHECK(samplesOf(*openStore(keepEverything(dir.path("lapwing.db"))), named("up")) == "none");
    std::filesystem::remove(dir.path("lapwing.db"));
    write(dir.path("lapwing.db") + "-wal", "the log of a database that was removed");
    const auto store = Store::open(keepEverything(dir.path("lapwing.db")));
    REQUIRE(!store);
    CHECK(store.error().message.find("belongs to a database that is gone") != std::string::npos);
    CHECK(contentOf(dir.path("lapwing.db") + "-wal") == "the log of a database that was removed");
}

TEST_CASE("the file carries its identity") {
    const test::TemporaryFolder dir;
    openStore(keepEverything(dir.path("lapwing.db"))).reset();
    const auto content = contentOf(dir.path("lapwing.db"));
    CHECK(content.substr(68, 4) == "LAPW");
    CHECK(content[63] == kSchemaVersion);
    CHECK((std::filesystem::status(dir.path("lapwing.db")).permissions() &
           std::filesystem::perms::others_all) == std::filesystem::perms::none);
}

TEST_CASE("when the database cannot grow writes are unavailable, reads go on, and it recovers") {
    const test::TemporaryFolder dir;
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    mustAppend(*store, {{kUp, {{1000, 1}}}});
    REQUIRE(store->limitPages(1));
    std::vector<TimeSeries> large;
    for (int s = 0; s < 2000; ++s) {
        large.push_back(
            {Labels{{"__name__", "m" + std::to_string(s)}, {"agent", "web-01"}}, {{1000, 1.0 / (s + 1)}}});
    }
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto result = store->append(large);
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorKind::unavailable);
    }
    CHECK(store->putDocument({"ab", "ruleset", "h", 0, std::string(100'000, 'x')}).error().kind ==
          ErrorKind::unavailable);
    CHECK(store->stats().series == 1);
    CHECK(samplesOf(*store, named("up")) == "1000:1");
    CHECK(samplesOf(*store, named("m7")) == "none");

    REQUIRE(store->limitPages(0));
    CHECK(mustAppend(*store, large).stored == 2000);
    CHECK(mustAppend(*store, large).duplicates == 2000);
    store.reset();
    store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(store->stats().series == 2001);
    CHECK(mustSelect(*store, {}, 0, 5000).size() == 2001);
}

TEST_CASE("a disk that is really full: writes are unavailable, reads go on, it recovers", "[root]") {
    test::needRoot();
    const test::TemporaryFolder dir;
    const auto disk = dir.path("disk");
    std::filesystem::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m") != 0) {
        test::skip("this machine does not allow mounts");
    }
    {
        auto store = openStore(keepEverything(disk + "/lapwing.db"));
        mustAppend(*store, {{kUp, {{1000, 1}}}});
        const auto ballast = disk + "/ballast";
        write(ballast, std::string(1 << 20, 'x'));
        std::size_t stored = 0;
        bool full = false;
        for (int round = 0; round < 400 && !full; ++round) {
            std::vector<TimeSeries> batch;
            for (int s = 0; s < 200; ++s) {
                batch.push_back({Labels{{"__name__", "m" + std::to_string(s)}, {"agent", "web-01"}},
                                 {{(round + 1) * 1000, 1.0 / (s + round + 1)}}});
            }
            const auto result = store->append(batch);
            full = !result;
            if (result) {
                stored += result->stored;
            } else {
                CHECK(result.error().kind == ErrorKind::unavailable);
            }
        }
        REQUIRE(full);
        CHECK(samplesOf(*store, named("up")) == "1000:1");
        const auto count = [&store] {
            std::size_t samples = 0;
            for (const auto& one : mustSelect(*store, {}, 0, INT64_MAX)) {
                samples += one.samples.size();
            }
            return samples;
        };
        CHECK(count() == stored + 1);
        const auto compacted = store->compact();
        CHECK(count() == stored + 1);
        std::filesystem::remove(ballast);
        CHECK(mustAppend(*store, {{kUp, {{2000, 2}}}}).stored == 1);
        CHECK(count() == stored + 2);
        REQUIRE(store->compact());
        REQUIRE(store->compact());
        CHECK(count() == stored + 2);
        store.reset();
        store = openStore(keepEverything(disk + "/lapwing.db"));
        CHECK(count() == stored + 2);
    }
    CHECK(::umount(disk.c_str()) == 0);
}

}  // namespace
}  // namespace lapwing::storage
