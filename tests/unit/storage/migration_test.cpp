#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

const Labels kUp{{"__name__", "up"}, {"agent", "web-01"}};

/// Creates and closes a file of the present version, with samples in blocks and in the log.
void fill(const std::string& path) {
    auto store = openStore(keepEverything(path));
    mustAppend(*store, {{kUp, {{1000, 1}, {2000, 2}}}});
    REQUIRE(store->compact());
    mustAppend(*store, {{kUp, {{3000, 3}}}});
}

Connection openRaw(const std::string& path) {
    auto db = Connection::open(path, SQLITE_OPEN_READWRITE);
    REQUIRE(db);
    return std::move(*db);
}

/// The real migrations, and one more.
std::vector<const char*> withNext(const char* next) {
    std::vector<const char*> all(kMigrations.begin(), kMigrations.end());
    all.push_back(next);
    return all;
}

TEST_CASE("a file of version 1 as it was first written opens with its content") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    const auto old = dir.path("old.db");
    {
        // The tables of version 1, created without today's schema, and the rows of a real store.
        auto opened = Connection::open(dir.path("lapwing.db"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        REQUIRE(opened);
        auto& db = *opened;
        REQUIRE(db.exec(("ATTACH '" + old + "' AS old").c_str()));
        REQUIRE(db.exec(
            "CREATE TABLE old.groups(id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
            "CREATE TABLE old.series(id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, oldest INTEGER,"
            "  newest INTEGER, labels BLOB NOT NULL);"
            "CREATE TABLE old.log(seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, payload BLOB NOT NULL);"
            "CREATE TABLE old.chunks(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            "CREATE TABLE old.documents(digest TEXT PRIMARY KEY, kind TEXT NOT NULL, host TEXT NOT NULL,"
            "  received INTEGER NOT NULL, body BLOB NOT NULL);"
            "CREATE TABLE old.states(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE old.meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
            "INSERT INTO old.groups SELECT id, name FROM main.groups;"
            "INSERT INTO old.series SELECT id, group_id, oldest, newest, labels FROM main.series;"
            "INSERT INTO old.log SELECT seq, received, payload FROM main.log;"
            "INSERT INTO old.chunks SELECT id, data FROM main.chunks;"
            "INSERT INTO old.meta SELECT name, value FROM main.meta;"
            "PRAGMA old.application_id=1279348823; PRAGMA old.user_version=1"));
    }
    auto store = openStore(keepEverything(old));
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:2 3000:3");
    mustAppend(*store, {{kUp, {{4000, 4}}}});
    REQUIRE(store->compact());
    store.reset();
    CHECK(openRaw(old).integer("PRAGMA user_version").value() == kSchemaVersion);
    CHECK(samplesOf(*openStore(keepEverything(old)), named("up")) == "1000:1 2000:2 3000:3 4000:4");
}

TEST_CASE("a migration changes everything or nothing") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    {
        auto db = openRaw(dir.path("lapwing.db"));
        const auto broken =
            withNext("ALTER TABLE log ADD COLUMN extra INTEGER; INSERT INTO nowhere VALUES(1)");
        const auto failed = migrate(db, broken);
        REQUIRE(!failed);
        CHECK(failed.error().message.find("nowhere") != std::string::npos);
        CHECK(db.integer("PRAGMA user_version").value() == kSchemaVersion);
        CHECK_FALSE(db.prepare("SELECT extra FROM log"));
    }
    CHECK(samplesOf(*openStore(keepEverything(dir.path("lapwing.db"))), named("up")) ==
          "1000:1 2000:2 3000:3");
    {
        auto db = openRaw(dir.path("lapwing.db"));
        const auto next = withNext("ALTER TABLE log ADD COLUMN extra INTEGER NOT NULL DEFAULT 7");
        REQUIRE(migrate(db, next));
        CHECK(db.integer("PRAGMA user_version").value() == kSchemaVersion + 1);
        CHECK(db.integer("SELECT extra FROM log").value() == 7);
        REQUIRE(migrate(db, next));
    }
    // This program leaves a file of a newer version alone.
    const auto store = Store::open(keepEverything(dir.path("lapwing.db")));
    REQUIRE(!store);
    CHECK(store.error().message.find("newer version") != std::string::npos);
}

TEST_CASE("kill -9 in the middle of a migration leaves the old version whole") {
    const test::TemporaryFolder dir;
    fill(dir.path("lapwing.db"));
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto db = Connection::open(dir.path("lapwing.db"), SQLITE_OPEN_READWRITE);
        const auto die = [](sqlite3_context*, int, sqlite3_value**) { ::kill(::getpid(), SIGKILL); };
        sqlite3_create_function(db->get(), "die", 0, SQLITE_UTF8, nullptr, die, nullptr, nullptr);
        // Enough to spill from the page cache into the WAL before the end.
        const auto next = withNext(
            "PRAGMA cache_size=10; CREATE TABLE padding(data BLOB);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
            "  INSERT INTO padding SELECT randomblob(4000) FROM n;"
            "DELETE FROM chunks; SELECT die()");
        (void)migrate(*db, next);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    auto store = openStore(keepEverything(dir.path("lapwing.db")));
    CHECK(samplesOf(*store, named("up")) == "1000:1 2000:2 3000:3");
    store.reset();
    auto db = openRaw(dir.path("lapwing.db"));
    CHECK(db.integer("PRAGMA user_version").value() == kSchemaVersion);
    CHECK_FALSE(db.prepare("SELECT data FROM padding"));
}

}  // namespace
}  // namespace lapwing::storage
