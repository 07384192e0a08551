#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

namespace lapwing::test {

/// While it exists, SQLite's files in this process are on a disk that can be told to fail. One at a time.
class FailingDisk {
  public:
    FailingDisk() {
        default_vfs = sqlite3_vfs_find(nullptr);
        vfs_ = *default_vfs;
        vfs_.zName = "failing";
        vfs_.szOsFile = static_cast<int>(sizeof(File)) + default_vfs->szOsFile;
        vfs_.xOpen = open;
        if (sqlite3_vfs_register(&vfs_, 1) != SQLITE_OK) {
            throw std::runtime_error("sqlite3_vfs_register");
        }
    }
    ~FailingDisk() {
        failing = false;
        sqlite3_vfs_unregister(&vfs_);
    }
    FailingDisk(const FailingDisk&) = delete;
    FailingDisk& operator=(const FailingDisk&) = delete;

    /// From now on, each opening, read, write, sync and truncation fails with SQLITE_IOERR, or works.
    void fail(bool fails) { failing = fails; }

  private:
    struct File : sqlite3_file {
        sqlite3_file* real;
    };
    static sqlite3_file* realOf(sqlite3_file* file) { return static_cast<File*>(file)->real; }

    static int open(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags, int* out) {
        auto* own = static_cast<File*>(file);
        own->pMethods = nullptr;
        if (failing) {
            return SQLITE_IOERR;
        }
        own->real = reinterpret_cast<sqlite3_file*>(own + 1);
        const int code = default_vfs->xOpen(default_vfs, name, own->real, flags, out);
        if (code != SQLITE_OK) {
            return code;
        }
        static sqlite3_io_methods methods;
        methods = *own->real->pMethods;
        methods.iVersion = 1;  // no shared memory: the spool is opened exclusively
        methods.xClose = [](sqlite3_file* f) { return realOf(f)->pMethods->xClose(realOf(f)); };
        methods.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
            // What SQLite makes of EIO: a statement then fails with SQLITE_CORRUPT.
            return failing ? SQLITE_IOERR_CORRUPTFS : realOf(f)->pMethods->xRead(realOf(f), to, size, at);
        };
        methods.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
            return failing ? SQLITE_IOERR_WRITE : realOf(f)->pMethods->xWrite(realOf(f), from, size, at);
        };
        methods.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
            return failing ? SQLITE_IOERR_TRUNCATE : realOf(f)->pMethods->xTruncate(realOf(f), size);
        };
        methods.xSync = [](sqlite3_file* f, int how) {
            return failing ? SQLITE_IOERR_FSYNC : realOf(f)->pMethods->xSync(realOf(f), how);
        };
        methods.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
            return realOf(f)->pMethods->xFileSize(realOf(f), size);
        };
        methods.xLock = [](sqlite3_file* f, int how) { return realOf(f)->pMethods->xLock(realOf(f), how); };
        methods.xUnlock = [](sqlite3_file* f, int how) {
            return realOf(f)->pMethods->xUnlock(realOf(f), how);
        };
        methods.xCheckReservedLock = [](sqlite3_file* f, int* locked) {
            return realOf(f)->pMethods->xCheckReservedLock(realOf(f), locked);
        };
        methods.xFileControl = [](sqlite3_file* f, int what, void* data) {
            return realOf(f)->pMethods->xFileControl(realOf(f), what, data);
        };
        methods.xSectorSize = [](sqlite3_file* f) { return realOf(f)->pMethods->xSectorSize(realOf(f)); };
        methods.xDeviceCharacteristics = [](sqlite3_file* f) {
            return realOf(f)->pMethods->xDeviceCharacteristics(realOf(f));
        };
        own->pMethods = &methods;
        return SQLITE_OK;
    }

    sqlite3_vfs vfs_{};
    static inline sqlite3_vfs* default_vfs = nullptr;
    static inline std::atomic<bool> failing{false};
};

}  // namespace lapwing::test
