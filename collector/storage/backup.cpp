#include "collector/storage/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "collector/storage/schema.h"

namespace lapwing::storage {
namespace {

Error systemError(const std::string& doing) {
    const auto kind = errno == EEXIST                     ? ErrorKind::invalid
                      : errno == EACCES || errno == EPERM ? ErrorKind::denied
                                                          : ErrorKind::unavailable;
    return Error{kind, doing + ": " + std::system_category().message(errno)};
}

/// Removes the unfinished copy.
struct Unfinished {
    std::string path;
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;
    explicit Unfinished(std::string file) : path(std::move(file)) {}
    ~Unfinished() {
        for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
            ::unlink((path + suffix).c_str());
        }
    }
};

Expected<void> putFiles(Connection& copy, const std::vector<KeptFile>& files) {
    if (auto made = copy.exec("DROP TABLE IF EXISTS backup_files"); !made || files.empty()) {
        return made;
    }
    if (auto made =
            copy.exec("BEGIN; CREATE TABLE backup_files(path TEXT PRIMARY KEY, user TEXT, grp TEXT, mode "
                      "INTEGER, content BLOB)");
        !made) {
        return made;
    }
    auto put = copy.prepare("INSERT INTO backup_files VALUES(?, ?, ?, ?, ?)", false);
    if (!put) {
        return tl::unexpected(put.error());
    }
    for (const auto& file : files) {
        put->bindText(1, file.path).bindText(2, file.user).bindText(3, file.group).bind(4, file.mode);
        put->bindBlob(5, file.content);
        if (auto done = put->run(); !done) {
            return done;
        }
    }
    return copy.exec("COMMIT");
}

Expected<void> copyPages(Connection& from, const std::string& to, const std::vector<KeptFile>& files) {
    auto copy = Connection::open(to, SQLITE_OPEN_READWRITE);
    if (!copy) {
        return tl::unexpected(copy.error());
    }
    struct Finish {
        void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
    };
    std::unique_ptr<sqlite3_backup, Finish> pages(
        sqlite3_backup_init(copy->get(), "main", from.get(), "main"));
    // One step copies one snapshot: writes meanwhile do not restart it.
    const int code = pages ? sqlite3_backup_step(pages.get(), -1) : sqlite3_errcode(copy->get());
    if (code != SQLITE_DONE) {
        return tl::unexpected(sqliteError(copy->get(), code, "write " + to));
    }
    sqlite3_backup_finish(pages.release());
    // A copy needs no WAL: the files go into the file itself.
    if (auto alone = copy->exec("PRAGMA journal_mode=DELETE"); !alone) {
        return alone;
    }
    return putFiles(*copy, files);
}

/// An owner of -1 leaves what is.
Expected<void> copyDatabase(const std::string& source, const std::string& target,
                            const std::vector<KeptFile>& files, mode_t mode, const files::Owner& owner) {
    struct stat status {};
    if (::stat(source.c_str(), &status) != 0) {
        if (errno == ENOENT) {
            return fail(ErrorKind::not_found, source + ": there is no such database");
        }
        return tl::unexpected(systemError("open " + source));
    }
    if (status.st_size == 0) {
        return fail(ErrorKind::not_found, source + ": is empty");
    }
    if (auto ours = ensureFile(source); !ours) {
        return ours;
    }
    if (auto room = roomFor(target); !room) {
        return room;
    }
    auto from = Connection::open(source, SQLITE_OPEN_READWRITE);
    if (!from) {
        return tl::unexpected(from.error());
    }
    // Closing must leave the WAL as it is: it belongs to the collector.
    sqlite3_db_config(from->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    if (auto reading = from->exec("PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0"); !reading) {
        return reading;
    }

    const Unfinished unfinished(target + ".unfinished");
    ::unlink(unfinished.path.c_str());
    const int made = ::open(unfinished.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0) {
        return tl::unexpected(systemError("create " + unfinished.path));
    }
    const bool given =
        ::fchmod(made, mode) == 0 && (::geteuid() != 0 || ::fchown(made, owner.uid, owner.gid) == 0);
    const int reason = errno;
    ::close(made);
    if (!given) {
        errno = reason;
        return tl::unexpected(systemError("give " + unfinished.path + " its owner and mode"));
    }
    if (auto copied = copyPages(*from, unfinished.path, files); !copied) {
        return copied;
    }
    // Unlike rename() this never replaces a file that appeared meanwhile.
    if (::link(unfinished.path.c_str(), target.c_str()) != 0) {
        return tl::unexpected(systemError("create " + target));
    }
    return syncDirectoryOf(target);
}

}  // namespace

Expected<void> roomFor(const std::string& target) {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        struct stat status {};
        if (::lstat((target + suffix).c_str(), &status) == 0) {
            return fail(ErrorKind::invalid, target + suffix + ": is there already, and was left as it is");
        }
    }
    return {};
}

Expected<void> backup(const std::string& source, const std::string& target,
                      const std::vector<KeptFile>& files) {
    const files::Owner same{static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
    return copyDatabase(source, target, files, 0600, same);
}

Expected<std::vector<KeptFile>> filesOfBackup(const std::string& file) {
    if (::access(file.c_str(), R_OK) != 0) {
        return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::denied,
                    file + ": " + std::system_category().message(errno));
    }
    if (auto ours = ensureFile(file); !ours) {
        return tl::unexpected(ours.error());
    }
    auto copy = Connection::open(file, SQLITE_OPEN_READONLY);
    if (!copy) {
        return tl::unexpected(copy.error());
    }
    std::vector<KeptFile> out;
    const auto tables = copy->integer("SELECT count(*) FROM sqlite_master WHERE name = 'backup_files'");
    if (!tables || *tables == 0) {
        return tables ? Expected<std::vector<KeptFile>>(out) : tl::unexpected(tables.error());
    }
    auto rows = copy->prepare("SELECT path, user, grp, mode, content FROM backup_files", false);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    const auto read = rows->eachRow([&]() -> Expected<void> {
        out.push_back({std::string(rows->bytes(0)), std::string(rows->bytes(1)), std::string(rows->bytes(2)),
                       static_cast<int>(rows->integer(3)), std::string(rows->bytes(4))});
        return {};
    });
    return read ? Expected<std::vector<KeptFile>>(std::move(out)) : tl::unexpected(read.error());
}

Expected<void> restoreDatabase(const std::string& file, const std::string& target,
                               const files::Owner& owner) {
    return copyDatabase(file, target, {}, 0640, owner);
}

}  // namespace lapwing::storage
