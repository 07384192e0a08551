#pragma once

#include <span>
#include <string>

#include "collector/storage/sqlite.h"

namespace lapwing::storage {

/// "LAPW": tells Lapwing's files from other programs' SQLite databases.
inline constexpr std::uint32_t kApplicationId = 0x4c415057;
/// The version that this program writes, in SQLite's user_version.
inline constexpr std::int64_t kSchemaVersion = 2;

/// Locks the file for this process: a second collector gets an error. Must outlive every connection of the
/// process, because closing any descriptor of a file drops its POSIX locks.
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

/// Creates the database if it does not exist, in a temporary file that is then renamed, so that no crash
/// leaves half a database. Only inspects an existing file: error `invalid` if it is not a SQLite database,
/// not Lapwing's, written by a newer version, or shorter than its header says.
Expected<void> ensureFile(const std::string& path);

/// Syncs the directory of `path`: without that a loss of power may lose the name of a new file.
Expected<void> syncDirectoryOf(const std::string& path);

/// A connection for writing. Closing it before keepChanges() does not touch the file, so that a file that
/// cannot be read stays as it is.
Expected<Connection> openWriter(const std::string& path);
Expected<void> keepChanges(Connection& writer);
/// The statements that make version v + 1 of version v, for each v from 0.
using Migrations = std::span<const char* const>;
extern const Migrations kMigrations;
/// Brings a file of an older version up to date in one transaction: a failure or a crash leaves the old
/// version.
Expected<void> migrate(Connection& writer, Migrations migrations = kMigrations);
/// A connection that cannot change the database.
Expected<Connection> openReader(const std::string& path);

}  // namespace lapwing::storage
