#pragma once

#include <span>
#include <string>

#include "collector/storage/sqlite.h"

namespace lapwing::storage {

/// "LAPW": tells our files from other programs' SQLite databases.
inline constexpr std::uint32_t kApplicationId = 0x4c415057;
/// What this program writes, in SQLite's user_version.
inline constexpr std::int64_t kSchemaVersion = 1;

/// Holds the file for this process: a second collector on one file gets an error, not damaged answers. Must
/// outlive every connection of the process, because closing any descriptor of a file drops its POSIX locks.
class FileLock {
  public:
    static Expected<FileLock> take(const std::string& path);
    FileLock(FileLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

  private:
    explicit FileLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

/// Makes the database if there is none (in a temporary file that is then renamed: there is never half a one).
/// A file that is there is only looked at: error `invalid` if it is no SQLite database, not Lapwing's,
/// written by a newer version or shorter than it says.
Expected<void> ensureFile(const std::string& path);

/// Makes the names of files beside `path` durable: a new file is not found again after a loss of power
/// otherwise.
Expected<void> syncDirectoryOf(const std::string& path);

/// A connection for writing. Until keepChanges() its closing does not touch the file, so that what cannot be
/// read stays as it is.
Expected<Connection> openWriter(const std::string& path);
Expected<void> keepChanges(Connection& writer);
/// What makes version v + 1 of version v, for each v from 0.
using Migrations = std::span<const char* const>;
extern const Migrations kMigrations;
/// Brings a file of an older version up to date, in one transaction: after a failure or a crash it is still
/// of the version that it was.
Expected<void> migrate(Connection& writer, Migrations migrations = kMigrations);
/// A connection that cannot change anything.
Expected<Connection> openReader(const std::string& path);

}  // namespace lapwing::storage
