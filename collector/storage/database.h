#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "collector/storage/reader_pool.h"
#include "collector/storage/schema.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::storage {

/// The SQLite file: the lock on it, the writing connection, the reading connections, and the durability of
/// its write-ahead log (WAL). Thread-safe.
///
/// Two mutexes order everything that changes the store. They are taken in this order, and before every other
/// mutex of the store:
///   rewrite_mutex  rewrites and deletes of blocks: one compaction, retention run or deletion at a time
///   write_mutex    the writing connection, and the state in memory that goes with what is committed
class Database {
  public:
    /// Creates the file if it does not exist. A foreign, newer or damaged file is an Error and stays as it
    /// is.
    static Expected<std::unique_ptr<Database>> open(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Mutex rewrite_mutex;  ///< a RewriteLock holds it
    Mutex write_mutex;    ///< a WriteAccess holds it

    const std::string& path() const { return path_; }
    /// A reading connection. Waits while all of them are in use, but never for a writer.
    Expected<ReaderPool::Lease> reader() { return readers_.acquire(); }

    /// Once, before the first commit: the worker to wake when the WAL needs a sync or a checkpoint.
    void setMaintenance(Worker& maintenance) { maintenance_ = &maintenance; }
    void wakeMaintenance();

    /// Syncs the WAL if that is due: at the latest 0.5 s after a commit.
    void syncIfDue();
    /// Syncs the WAL if there was a commit since the last sync.
    void sync();
    /// When the next sync is due; nothing without a commit since the last one.
    std::optional<std::chrono::steady_clock::time_point> syncDue() const;
    /// The last sync failed: commits since then may be lost with the power.
    bool syncFailed() const { return sync_failed_; }

    /// The WAL has grown so much that a checkpoint should empty it.
    bool walIsLong() const;
    /// Copies the WAL into the file, so that the WAL starts again from its beginning. Others write during
    /// most of the time.
    void checkpoint();
    /// Does `work`, and once more after a checkpoint if there was no room: on a full disk even a deletion
    /// needs some room in the WAL, and the checkpoint gives it.
    Expected<void> withRoom(const std::function<Expected<void>()>& work);
    /// Returns free pages to the file system, but for a sixteenth that will be used again soon. Files that
    /// were made without incremental vacuum keep theirs.
    Expected<void> shrink();

    std::int64_t walBytes() const;
    /// The file and its WAL.
    std::int64_t fileBytes() const;

  private:
    friend class WriteAccess;
    using Clock = std::chrono::steady_clock;

    Database(std::string path, FileLock lock, Connection writer);
    Expected<void> startWriting() LAPWING_REQUIRES(write_mutex);
    Expected<void> transaction(const std::function<Expected<void>()>& body) LAPWING_REQUIRES(write_mutex);
    Expected<bool> shrinkStep(std::int64_t& free_before) LAPWING_REQUIRES(write_mutex);
    void noteCommit() LAPWING_REQUIRES(write_mutex);
    /// True if a sync is to be made now.
    bool beginSync(bool only_if_due);
    void syncWal();

    const std::string path_;
    Worker* maintenance_ = nullptr;
    const FileLock lock_;

    Connection writer_ LAPWING_GUARDED_BY(write_mutex);
    BlockTable blocks_ LAPWING_GUARDED_BY(write_mutex);
    Statement begin_ LAPWING_GUARDED_BY(write_mutex);
    Statement commit_ LAPWING_GUARDED_BY(write_mutex);
    ReaderPool readers_;

    mutable Mutex sync_mutex_;  ///< never held while anything waits for the disk
    bool unsynced_ LAPWING_GUARDED_BY(sync_mutex_) = false;
    Clock::time_point sync_due_ LAPWING_GUARDED_BY(sync_mutex_);
    Mutex descriptor_mutex_;
    int wal_descriptor_ LAPWING_GUARDED_BY(descriptor_mutex_) = -1;
    std::atomic<bool> sync_failed_{false};
    std::atomic<int> wal_pages_{0};  ///< after the last commit
};

/// The right to change the database, for a scope: holds the write mutex. A function that takes one as an
/// argument needs the write mutex of its database.
class LAPWING_SCOPED_CAPABILITY WriteAccess {
  public:
    explicit WriteAccess(Database& database) LAPWING_ACQUIRE(database.write_mutex);
    WriteAccess(const WriteAccess&) = delete;
    WriteAccess& operator=(const WriteAccess&) = delete;
    ~WriteAccess() LAPWING_RELEASE();

    // The object holds the mutex that these need. The analysis knows that where the object is made, but not
    // here.
    Connection& connection() const LAPWING_NO_THREAD_SAFETY_ANALYSIS;
    BlockTable& blocks() const LAPWING_NO_THREAD_SAFETY_ANALYSIS;
    /// Commits what `body` writes, or nothing if it fails. Durable against kill -9 when it returns.
    Expected<void> transaction(const std::function<Expected<void>()>& body) const
        LAPWING_NO_THREAD_SAFETY_ANALYSIS;
    /// Brings the file to the present schema and prepares for writing. Once, after everything that may find
    /// damage.
    Expected<void> startWriting() const LAPWING_NO_THREAD_SAFETY_ANALYSIS;

    /// Tells the thread-safety analysis that the write mutex of `database` is held.
    void assertHeld([[maybe_unused]] const Database& database) const
        LAPWING_ASSERT_CAPABILITY(database.write_mutex) {}

  private:
    Database& database_;
};

/// The right to rewrite and delete blocks, for a scope: holds the rewrite mutex. While it is held, no other
/// thread changes blocks, or freezes or drops a head.
class LAPWING_SCOPED_CAPABILITY RewriteLock {
  public:
    explicit RewriteLock(Database& database) LAPWING_ACQUIRE(database.rewrite_mutex);
    RewriteLock(const RewriteLock&) = delete;
    RewriteLock& operator=(const RewriteLock&) = delete;
    ~RewriteLock() LAPWING_RELEASE();

  private:
    Database& database_;
};

}  // namespace lapwing::storage
