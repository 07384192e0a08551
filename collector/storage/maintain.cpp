#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A commit survives kill -9 by itself; against loss of power the log is synced at most so long after it.
constexpr auto kSyncDelay = milliseconds(500);
/// The head becomes blocks when it is that old, or when it has so many samples that replaying its log would
/// take too long: but not before it has a few of each series, for each time the blocks of all hosts are
/// written again.
constexpr auto kHeadAge = minutes(20);
constexpr std::size_t kHeadSamples = 500'000;
constexpr std::size_t kHeadSamplesPerSeries = 80;
constexpr auto kExpireEvery = minutes(60);
constexpr auto kAfterFailure = seconds(10);
/// 4 MB of log to replay at most, apart from what is written during a checkpoint.
constexpr int kCheckpointPages = 1000;
/// Half a megabyte is not worth the moving.
constexpr std::int64_t kFreePages = 128;
/// Few, so that a nearly full disk has room for the log of it.
constexpr std::int64_t kPagesAtOnce = 8;

}  // namespace

void SqliteStore::weighHead() {
    head_large_ = head_.samples() > std::max(kHeadSamples, kHeadSamplesPerSeries * index_->size());
}

/// Called with write_mutex_ held, after each commit.
void SqliteStore::committed() {
    const std::lock_guard lock(maintain_mutex_);
    const bool large = head_large_ || wal_pages_ > kCheckpointPages;
    if (unsynced_ && !large) return;
    if (!unsynced_) sync_due_ = steady_clock::now() + kSyncDelay;
    unsynced_ = true;
    maintain_wake_.notify_one();
}

void SqliteStore::maintain() {
    auto expire_due = steady_clock::now() + minutes(1);
    compact_due_ = steady_clock::now() + kHeadAge;
    // After a failure a large log is no reason to try again at once.
    bool failed = false;
    std::unique_lock lock(maintain_mutex_);
    while (!stopping_) {
        auto due = std::min(expire_due, compact_due_);
        if (unsynced_) due = std::min(due, sync_due_);
        const bool large = head_large_ && !failed;
        if (steady_clock::now() < due && !large && wal_pages_ <= kCheckpointPages) {
            maintain_wake_.wait_until(lock, due);
            continue;
        }
        lock.unlock();
        syncLog();
        const auto now = steady_clock::now();
        if (now >= compact_due_ || large) {
            failed = !compact();
            if (options_.retention_bytes > 0) expire_due = std::min(expire_due, now);
            compact_due_ = steady_clock::now() + (failed ? steady_clock::duration(kAfterFailure) : kHeadAge);
        }
        if (now >= expire_due) {
            const bool expired = expire().has_value();
            expire_due = now + (expired ? steady_clock::duration(kExpireEvery) : kAfterFailure);
            failed = failed || !expired;
        }
        // On a full disk the room for what is tried again comes from here.
        if (wal_pages_ > kCheckpointPages || failed) checkpoint();
        lock.lock();
    }
    lock.unlock();
    syncLog();
}

void SqliteStore::syncLog() {
    {
        const std::lock_guard lock(maintain_mutex_);
        if (!unsynced_ || (!stopping_ && steady_clock::now() < sync_due_)) return;
        unsynced_ = false;
    }
    if (wal_descriptor_ < 0 && syncDirectoryOf(options_.path)) {
        wal_descriptor_ = ::open((options_.path + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
    }
    sync_failed_ = wal_descriptor_ < 0 || ::fdatasync(wal_descriptor_) != 0;
    if (sync_failed_) {
        const std::lock_guard lock(maintain_mutex_);
        unsynced_ = true;
        sync_due_ = steady_clock::now() + kSyncDelay;
    }
}

/// Most of it while others write, and the little that they wrote meanwhile with writing held up, so that the
/// log starts anew.
void SqliteStore::checkpoint() {
    {
        auto lease = readers_.acquire();
        if (!lease) return;
        sqlite3_wal_checkpoint_v2((*lease)->connection.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                  nullptr);
    }
    const std::lock_guard lock(write_mutex_);
    sqlite3_wal_checkpoint_v2(writer_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    // Whatever came of it, the next commit says how long the log is.
    wal_pages_ = 0;
}

Expected<void> SqliteStore::noted(Expected<void> done) {
    const std::lock_guard lock(trouble_mutex_);
    trouble_ = done ? std::string() : done.error().message;
    return done;
}

/// Returns free pages to the file system, beyond a sixteenth that is used again soon (by the log, at the
/// latest). Files that were not made with incremental vacuum keep theirs.
Expected<void> SqliteStore::shrinkFile() {
    std::int64_t before = -1;
    bool more = true;
    const auto step = [&]() -> Expected<void> {
        const std::lock_guard write_lock(write_mutex_);
        const auto pages = writer_.integer("PRAGMA page_count");
        const auto free = pages ? writer_.integer("PRAGMA freelist_count") : pages;
        if (!free) return tl::unexpected(free.error());
        const std::int64_t excess = *free - std::max(kFreePages, (*pages - *free) / 16);
        more = excess > 0 && *free != before;
        if (!more) return {};
        writer_blocks_.release();
        const auto some = std::to_string(std::min(excess, kPagesAtOnce));
        auto done = writer_.exec(("PRAGMA incremental_vacuum(" + some + ")").c_str());
        if (!done) return done;
        before = *free;
        committed();
        return done;
    };
    while (more) {
        if (auto done = withRoom(step); !done) return done;
    }
    return {};
}

}  // namespace lapwing::storage
