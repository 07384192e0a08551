#include "collector/storage/schema.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/files.h"

namespace lapwing::storage {
namespace {

/// The first one creates the tables of version 1. A series is in `series` or, while its labels are not in
/// memory, in `archived`, with hashes of all labels and of the metric's name, and with its label `digest`.
constexpr std::array<const char*, kSchemaVersion> kStatements = {
    "CREATE TABLE groups(id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE series(id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, oldest INTEGER, newest INTEGER,"
    "  labels BLOB NOT NULL);"
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, payload BLOB NOT NULL);"
    "CREATE TABLE chunks(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE documents(digest TEXT PRIMARY KEY, kind TEXT NOT NULL, host TEXT NOT NULL,"
    "  received INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE states(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
    "ALTER TABLE groups ADD COLUMN sender TEXT NOT NULL DEFAULT '';"
    "UPDATE groups SET sender = name;"
    "CREATE TABLE archived(id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, oldest INTEGER NOT NULL,"
    "  newest INTEGER NOT NULL, labels_hash INTEGER NOT NULL, metric_hash INTEGER NOT NULL, digest TEXT,"
    "  labels BLOB NOT NULL);"
    "CREATE INDEX archived_labels ON archived(labels_hash);"
    "CREATE INDEX archived_metric ON archived(metric_hash, newest);"
    "CREATE INDEX archived_newest ON archived(newest);"
    "CREATE INDEX archived_digest ON archived(digest) WHERE digest IS NOT NULL;"};

/// Opening checks the whole of a file up to this size. Damage in a larger file is found when it is read.
constexpr std::int64_t kCheckedWholeBytes = 8LL << 20;

std::string systemError(const std::string& doing) {
    return doing + ": " + std::system_category().message(errno);
}

struct Descriptor {
    int fd;
    explicit Descriptor(int descriptor) : fd(descriptor) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd >= 0) {
            ::close(fd);
        }
    }
};

std::uint32_t bigEndian(const std::array<unsigned char, 100>& header, std::size_t at) {
    return (static_cast<std::uint32_t>(header[at]) << 24) |
           (static_cast<std::uint32_t>(header[at + 1]) << 16) |
           (static_cast<std::uint32_t>(header[at + 2]) << 8) | header[at + 3];
}

/// Reads the header without SQLite, which could change a foreign file by opening it (a hot journal, a WAL).
/// Offsets: https://www.sqlite.org/fileformat2.html#the_database_header
Expected<void> inspect(const std::string& path, int fd, std::int64_t size) {
    std::array<unsigned char, 100> header{};
    if (::pread(fd, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()) ||
        std::memcmp(header.data(), "SQLite format 3", 16) != 0) {
        return fail(ErrorKind::invalid, path + ": is not a SQLite database; it was left as it is");
    }
    if (bigEndian(header, 68) != kApplicationId) {
        return fail(ErrorKind::invalid, path + ": is another program's database; it was left as it is");
    }
    if (bigEndian(header, 60) > kSchemaVersion) {
        return fail(ErrorKind::invalid, path + ": was written by a newer version of Lapwing (format " +
                                            std::to_string(bigEndian(header, 60)) + ", this one knows " +
                                            std::to_string(kSchemaVersion) + "); it was left as it is");
    }
    const std::int64_t page = (header[16] << 8) | header[17];
    const std::int64_t declared =
        (page == 1 ? 65536 : page) * static_cast<std::int64_t>(bigEndian(header, 28));
    std::error_code error;
    const auto wal = std::filesystem::file_size(path + "-wal", error);
    // The rest of the file may still be in the WAL.
    if (size < declared && (error || wal == 0)) {
        return fail(ErrorKind::invalid, path + ": is damaged: " + std::to_string(size) +
                                            " bytes, should be " + std::to_string(declared) +
                                            "; it was left as it is");
    }
    return {};
}

Expected<void> create(const std::string& path) {
    std::error_code none;
    if (std::filesystem::file_size(path + "-wal", none) > 0 && !none) {
        // SQLite would replay it into the new file.
        return fail(ErrorKind::invalid,
                    path + "-wal: belongs to a database that is gone; move it away first");
    }
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    ::unlink((fresh + "-journal").c_str());
    {
        const Descriptor made(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
        if (made.fd < 0) {
            return fail(ErrorKind::unavailable, systemError("create " + fresh));
        }
    }
    auto built = [&]() -> Expected<void> {
        auto db = Connection::open(fresh, SQLITE_OPEN_READWRITE);
        if (!db) {
            return tl::unexpected(db.error());
        }
        auto identified =
            db->exec(("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=" +
                      std::to_string(kApplicationId))
                         .c_str());
        if (!identified) {
            return identified;
        }
        auto migrated = migrate(*db);
        if (!migrated) {
            return migrated;
        }
        return db->exec("PRAGMA journal_mode=WAL");
    }();
    if (!built) {
        ::unlink(fresh.c_str());
        ::unlink((fresh + "-journal").c_str());
        built.error().message = "create " + path + ": " + built.error().message;
        return built;
    }
    if (std::rename(fresh.c_str(), path.c_str()) != 0) {
        return fail(ErrorKind::unavailable, systemError("create " + path));
    }
    return syncDirectoryOf(path);
}

}  // namespace

Expected<void> syncDirectoryOf(const std::string& path) {
    return files::syncDirectoryOf(path).map_error([](const Error& error) {
        return Error{ErrorKind::unavailable, error.message};
    });
}

Expected<FileLock> FileLock::take(const std::string& path) {
    FileLock lock(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (lock.descriptor_ < 0) {
        const auto kind = errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable;
        return fail(kind, systemError("open " + path));
    }
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
        return fail(ErrorKind::unavailable, path + ": is in use by another process");
    }
    return lock;
}

FileLock::~FileLock() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Expected<void> ensureFile(const std::string& path) {
    if (path.empty()) {
        return fail(ErrorKind::invalid, "the database has no path");
    }
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.fd < 0) {
        if (errno == ENOENT) {
            return create(path);
        }
        return fail(errno == EACCES ? ErrorKind::denied : ErrorKind::unavailable,
                    systemError("open " + path));
    }
    struct stat status {};
    if (::fstat(fd.fd, &status) != 0) {
        return fail(ErrorKind::unavailable, systemError("stat " + path));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(ErrorKind::invalid, path + ": is not a regular file");
    }
    if (status.st_size == 0) {
        return create(path);
    }
    return inspect(path, fd.fd, status.st_size);
}

Expected<Connection> openWriter(const std::string& path) {
    auto db = Connection::open(path, SQLITE_OPEN_READWRITE);
    if (!db) {
        return db;
    }
    sqlite3_db_config(db->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // The maintenance thread makes checkpoints, and syncs the WAL within a second.
    auto done = db->exec(
        "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=8388608;"
        "PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY;"
        // Debian's SQLite overwrites freed pages with zeros: that doubles the writes, and fails on a full
        // disk.
        "PRAGMA secure_delete=FAST");
    if (!done) {
        return tl::unexpected(done.error());
    }
    const auto version = db->integer("PRAGMA user_version");
    if (!version) {
        return tl::unexpected(version.error());
    }
    if (*version > kSchemaVersion) {
        return fail(ErrorKind::invalid, path + ": was written by a newer version of Lapwing");
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && status.st_size <= kCheckedWholeBytes) {
        auto check = db->prepare("PRAGMA quick_check(1)", false);
        if (!check) {
            return tl::unexpected(check.error());
        }
        const auto row = check->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (*row && check->bytes(0) != "ok") {
            return fail(ErrorKind::internal, path + ": is damaged: " + std::string(check->bytes(0)));
        }
    }
    return db;
}

Expected<void> keepChanges(Connection& writer) {
    sqlite3_db_config(writer.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
    const auto mode = writer.prepare("PRAGMA journal_mode=WAL", false).and_then([](Statement statement) {
        return statement.step().map([&](bool) { return std::string(statement.bytes(0)); });
    });
    if (!mode) {
        return tl::unexpected(mode.error());
    }
    if (*mode != "wal") {
        return fail(ErrorKind::unavailable, "database: cannot use a write-ahead log here");
    }
    return {};
}

const Migrations kMigrations = kStatements;

Expected<void> migrate(Connection& writer, Migrations migrations) {
    const auto version = writer.integer("PRAGMA user_version");
    if (!version) {
        return tl::unexpected(version.error());
    }
    const auto wanted = migrations.size();
    if (*version == static_cast<std::int64_t>(wanted)) {
        return {};
    }
    auto done = writer.exec("BEGIN IMMEDIATE");
    for (auto v = static_cast<std::size_t>(*version); done && v < wanted; ++v) {
        done = writer.exec(migrations[v]);
    }
    if (done) {
        done = writer.exec(("PRAGMA user_version=" + std::to_string(wanted)).c_str());
    }
    if (done) {
        done = writer.exec("COMMIT");
    }
    if (!done) {
        writer.rollback();
    }
    return done;
}

Expected<Connection> openReader(const std::string& path) {
    auto db = Connection::open(path, SQLITE_OPEN_READWRITE);
    if (!db) {
        return db;
    }
    auto done = db->exec("PRAGMA query_only=1; PRAGMA cache_size=-256; PRAGMA wal_autocheckpoint=0");
    if (!done) {
        return tl::unexpected(done.error());
    }
    return db;
}

}  // namespace lapwing::storage
