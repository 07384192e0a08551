#include "agent/delivery/spool_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>

#include "common/damaged_database.h"
#include "common/model/remote_write.h"

namespace lapwing::agent {
namespace {

/// More is a damaged number.
constexpr std::int64_t kMostSamplesOfBatch = 100'000;

constexpr int kVersion = 1;
constexpr std::int64_t kManyFreePages = 2048;  // 8 MiB

// Exclusive: no second agent on the same spool, and no shared memory file. A cache of 256 KiB: a batch is
// written once and read once.
constexpr const char* kSettings =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA cache_size = -256;"
    "PRAGMA wal_autocheckpoint = 256;"
    "PRAGMA journal_size_limit = 4194304;";

constexpr const char* kSchema =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS batch(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, samples INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS aside(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, samples INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS document(id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, kind TEXT NOT "
    "NULL,"
    "  body BLOB);"
    "DELETE FROM document WHERE body IS NULL AND id <= (SELECT max(id) FROM document) - 1000;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

}  // namespace

bool SpoolFile::isDamaged(const std::string& path) {
    for (const char* suffix : {"", "-wal"}) {
        std::ifstream in(path + suffix, std::ios::binary);
        std::array<char, 65536> part{};
        while (in.is_open() && in.read(part.data(), part.size())) {
        }
        if (in.bad()) {
            return false;
        }
    }
    auto database = Database::open(path);
    if (!database) {
        return database.error().damaged();
    }
    auto check = database->prepare("PRAGMA quick_check(1)");
    if (!check) {
        return check.error().damaged();
    }
    const auto row = check->step();
    return row ? *row && check->bytes(0) != "ok" : row.error().damaged();
}

DatabaseResult<SpoolFile> SpoolFile::open(const std::string& path) {
    auto database = Database::open(path);
    if (!database) {
        return tl::unexpected(database.error());
    }
    SpoolFile file;
    file.database_ = std::move(*database);
    auto& db = file.database_;
    if (auto done = db.execute(kSettings); !done) {
        return tl::unexpected(done.error());
    }
    const auto version = db.integer("PRAGMA user_version");
    if (!version) {
        return tl::unexpected(version.error());
    }
    if (*version > kVersion) {
        return tl::unexpected(DatabaseError{SQLITE_NOTADB, "a later version of the agent wrote it"});
    }
    if (auto done = db.execute(kSchema); !done) {
        return tl::unexpected(done.error());
    }
    const struct {
        Statement& statement;
        const char* sql;
    } statements[] = {
        {file.begin_, "BEGIN IMMEDIATE"},
        {file.commit_, "COMMIT"},
        {file.insert_,
         "INSERT OR REPLACE INTO batch(id, at, samples, bytes, body) VALUES(?1, ?2, ?3, ?4, ?5)"},
        {file.remove_, "DELETE FROM batch WHERE id >= ?1 AND id <= ?2"},
        {file.oldest_, "SELECT id, at, samples, bytes FROM batch WHERE id > ?1 ORDER BY id LIMIT 1"},
        {file.read_, "SELECT id, at, samples, bytes, body FROM batch WHERE id > ?1 ORDER BY id LIMIT ?2"},
        {file.range_, "SELECT count(*), sum(samples), sum(bytes) FROM batch WHERE id > ?1 AND id <= ?2"},
        {file.free_pages_, "PRAGMA freelist_count"},
    };
    for (const auto& [statement, sql] : statements) {
        auto prepared = db.prepare(sql);
        if (!prepared) {
            return tl::unexpected(prepared.error());
        }
        statement = std::move(*prepared);
    }
    return file;
}

void SpoolFile::removeFiles(const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
        std::remove((path + suffix).c_str());
    }
}

bool SpoolFile::rename(const std::string& from, const std::string& to) {
    bool kept = true;
    for (const char* suffix : {"", "-wal", "-shm"}) {
        const std::string source = from + suffix;
        const std::string target = to + suffix;
        std::remove(target.c_str());
        if (std::rename(source.c_str(), target.c_str()) == 0) {
            continue;
        }
        const bool was_there = std::remove(source.c_str()) == 0;
        if (was_there) {
            kept = false;
        }
    }
    return kept;
}

DatabaseResult<SpoolFile::Salvaged> SpoolFile::salvage(const std::string& from, std::int64_t done) {
    using Type = DamagedDatabase::Type;
    Salvaged out;
    auto damaged = DamagedDatabase::open(from);
    if (!damaged) {
        return out;
    }
    const auto has = [](const DamagedDatabase::Row& row, std::initializer_list<Type> types) {
        return row.rowid && std::equal(types.begin(), types.end(), row.values.begin(), row.values.end(),
                                       [](Type type, const auto& value) { return value.type == type; });
    };
    if (auto begun = begin(); !begun) {
        return tl::unexpected(begun.error());
    }
    DatabaseResult<void> written;
    const auto read = damaged->eachRow([&](const DamagedDatabase::Row& row) -> Expected<void> {
        const auto& values = row.values;
        if (has(row, {Type::null, Type::integer, Type::integer, Type::integer, Type::blob}) &&
            *row.rowid > done) {
            SpooledBatch batch{*row.rowid, values[1].integer, static_cast<std::size_t>(values[2].integer),
                               static_cast<std::size_t>(values[3].integer), std::string(values[4].bytes)};
            const auto request = decodeRemoteWrite(batch.body);
            if (row.whole && request && request->samples == batch.samples) {
                out.samples += values[2].integer;
                written = insert(batch);
            } else {
                out.lost += std::clamp<std::int64_t>(values[2].integer, 0, kMostSamplesOfBatch);
            }
        } else if (has(row, {Type::null, Type::text, Type::text, Type::blob}) && row.whole) {
            written = insertDocument(
                {std::string(values[1].bytes), std::string(values[2].bytes), std::string(values[3].bytes)});
        }
        return written ? Expected<void>() : fail(ErrorKind::unavailable, "");
    });
    if (read) {
        written = commit();
    }
    if (!written) {
        rollback();
        return tl::unexpected(written.error());
    }
    return out;
}

DatabaseResult<SpoolFile::Totals> SpoolFile::totals(std::int64_t after, std::int64_t up_to) {
    range_.bind(1, after);
    range_.bind(2, up_to);
    auto row = range_.step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    const Totals totals{range_.integer(0), range_.integer(1), range_.integer(2), 0, 0};
    range_.reset();
    return totals;
}

DatabaseResult<SpoolFile::Totals> SpoolFile::totals(std::int64_t after) {
    auto totals = this->totals(after, INT64_MAX);
    if (!totals) {
        return totals;
    }
    const auto documents = database_.integer("SELECT count(*) FROM document WHERE body IS NOT NULL");
    if (!documents) {
        return tl::unexpected(documents.error());
    }
    const auto last = database_.integer("SELECT max(id) FROM batch");
    if (!last) {
        return tl::unexpected(last.error());
    }
    totals->documents = *documents;
    totals->last_id = *last;
    return totals;
}

DatabaseResult<std::vector<std::string>> SpoolFile::digests() {
    auto statement = database_.prepare("SELECT digest FROM document");
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    std::vector<std::string> digests;
    for (;;) {
        auto row = statement->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return digests;
        }
        digests.emplace_back(statement->bytes(0));
    }
}

DatabaseResult<void> SpoolFile::setAside(std::int64_t after, std::int64_t up_to) {
    const auto range = " WHERE id > " + std::to_string(after) + " AND id <= " + std::to_string(up_to);
    return database_.execute(("BEGIN IMMEDIATE; INSERT OR REPLACE INTO aside SELECT * FROM batch" + range +
                              "; DELETE FROM batch" + range + "; COMMIT;")
                                 .c_str());
}

DatabaseResult<SpoolFile::Totals> SpoolFile::asideTotals() {
    const auto samples = database_.integer("SELECT sum(samples) FROM aside");
    const auto bytes = samples ? database_.integer("SELECT sum(bytes) FROM aside") : samples;
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    Totals totals;
    totals.samples = *samples;
    totals.bytes = *bytes;
    return totals;
}

DatabaseResult<void> SpoolFile::restoreAside() {
    return database_.execute(
        "BEGIN IMMEDIATE; INSERT OR IGNORE INTO batch SELECT * FROM aside; DELETE FROM aside; COMMIT;");
}

DatabaseResult<std::optional<SpooledBatch>> SpoolFile::dropAside() {
    std::optional<SpooledBatch> batch;
    {
        auto oldest = database_.prepare("SELECT id, at, samples, bytes FROM aside ORDER BY id LIMIT 1");
        if (!oldest) {
            return tl::unexpected(oldest.error());
        }
        const auto row = oldest->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return batch;
        }
        batch =
            SpooledBatch{oldest->integer(0), oldest->integer(1), static_cast<std::size_t>(oldest->integer(2)),
                         static_cast<std::size_t>(oldest->integer(3)), ""};
    }
    if (auto done = database_.execute(("DELETE FROM aside WHERE id = " + std::to_string(batch->id)).c_str());
        !done) {
        return tl::unexpected(done.error());
    }
    return batch;
}

void SpoolFile::rollback() {
    // Fails where SQLite has rolled back by itself, which has the same effect.
    (void)database_.execute("ROLLBACK");
}

DatabaseResult<void> SpoolFile::insert(const SpooledBatch& batch) {
    insert_.bind(1, batch.id);
    insert_.bind(2, batch.at);
    insert_.bind(3, static_cast<std::int64_t>(batch.samples));
    insert_.bind(4, static_cast<std::int64_t>(batch.body.size()));
    insert_.bindBlob(5, batch.body);
    return insert_.run();
}

DatabaseResult<void> SpoolFile::remove(std::int64_t first_id, std::int64_t last_id) {
    remove_.bind(1, first_id);
    remove_.bind(2, last_id);
    return remove_.run();
}

DatabaseResult<void> SpoolFile::insertDocument(const SpooledDocument& document) {
    auto statement =
        database_.prepare("INSERT OR IGNORE INTO document(digest, kind, body) VALUES(?1, ?2, ?3)");
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    statement->bindText(1, document.digest);
    statement->bindText(2, document.kind);
    statement->bindBlob(3, document.body);
    return statement->run();
}

DatabaseResult<void> SpoolFile::documentDone(const std::string& digest) {
    auto statement = database_.prepare("UPDATE document SET body = NULL WHERE digest = ?1");
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    statement->bindText(1, digest);
    return statement->run();
}

DatabaseResult<void> SpoolFile::shrink() {
    auto row = free_pages_.step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    const std::int64_t free_pages = free_pages_.integer(0);
    free_pages_.reset();
    if (free_pages < kManyFreePages) {
        return {};
    }
    return database_.execute("PRAGMA incremental_vacuum(512)");
}

DatabaseResult<std::optional<SpooledBatch>> SpoolFile::oldest(std::int64_t after) {
    oldest_.bind(1, after);
    auto row = oldest_.step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    std::optional<SpooledBatch> batch;
    if (*row) {
        batch =
            SpooledBatch{oldest_.integer(0), oldest_.integer(1), static_cast<std::size_t>(oldest_.integer(2)),
                         static_cast<std::size_t>(oldest_.integer(3)), ""};
    }
    oldest_.reset();
    return batch;
}

DatabaseResult<std::vector<SpooledBatch>> SpoolFile::read(std::int64_t after, std::size_t most,
                                                          std::size_t most_bytes) {
    std::vector<SpooledBatch> batches;
    std::size_t bytes = 0;
    read_.bind(1, after);
    read_.bind(2, static_cast<std::int64_t>(most));
    while (bytes < most_bytes) {
        auto row = read_.step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            break;
        }
        batches.push_back({read_.integer(0), read_.integer(1), static_cast<std::size_t>(read_.integer(2)),
                           static_cast<std::size_t>(read_.integer(3)), std::string(read_.bytes(4))});
        bytes += batches.back().body.size();
    }
    read_.reset();
    return batches;
}

DatabaseResult<std::optional<SpooledDocument>> SpoolFile::nextDocument(
    const std::vector<std::string>& except) {
    auto statement =
        database_.prepare("SELECT digest, kind, body FROM document WHERE body IS NOT NULL ORDER BY id");
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    for (;;) {
        auto row = statement->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return std::nullopt;
        }
        SpooledDocument document{std::string(statement->bytes(0)), std::string(statement->bytes(1)), ""};
        if (std::find(except.begin(), except.end(), document.digest) != except.end()) {
            continue;
        }
        document.body = statement->bytes(2);
        return document;
    }
}

}  // namespace lapwing::agent
