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

Expected<void> copyPages(Connection& from, const std::string& to) {
    auto copy = Connection::open(to, SQLITE_OPEN_READWRITE);
    if (!copy) {
        return tl::unexpected(copy.error());
    }
    struct Finish {
        void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
    };
    const std::unique_ptr<sqlite3_backup, Finish> pages(
        sqlite3_backup_init(copy->get(), "main", from.get(), "main"));
    // One step copies one snapshot: writes meanwhile do not restart it.
    const int code = pages ? sqlite3_backup_step(pages.get(), -1) : sqlite3_errcode(copy->get());
    if (code != SQLITE_DONE) {
        return tl::unexpected(sqliteError(copy->get(), code, "write " + to));
    }
    return {};
}

}  // namespace

Expected<void> backup(const std::string& source, const std::string& target) {
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
    if (::lstat(target.c_str(), &status) == 0) {
        return fail(ErrorKind::invalid, target + ": is there already, and was left as it is");
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
    const int made = ::open(unfinished.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (made < 0) {
        return tl::unexpected(systemError("create " + unfinished.path));
    }
    ::close(made);
    if (auto copied = copyPages(*from, unfinished.path); !copied) {
        return copied;
    }
    // Unlike rename() this never replaces a file that appeared meanwhile.
    if (::link(unfinished.path.c_str(), target.c_str()) != 0) {
        return tl::unexpected(systemError("create " + target));
    }
    return syncDirectoryOf(target);
}

}  // namespace lapwing::storage
