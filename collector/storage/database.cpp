#include "collector/storage/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace lapwing::storage {
namespace {

/// A commit survives kill -9 by itself. Against a loss of power the WAL is synced this long after it.
constexpr auto kSyncDelay = std::chrono::milliseconds(500);
/// 4 MB of WAL, apart from what is written during a checkpoint.
constexpr int kCheckpointPages = 1000;
/// Half a megabyte of free pages is not worth a vacuum.
constexpr std::int64_t kFreePages = 128;
/// A step of the vacuum is small, so that a nearly full disk has room for it in the WAL.
constexpr std::int64_t kPagesAtOnce = 8;

std::int64_t bytesOf(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? static_cast<std::int64_t>(status.st_size) : 0;
}

}  // namespace

Expected<std::unique_ptr<Database>> Database::open(const std::string& path) {
    auto usable = ensureFile(path);
    if (!usable) {
        return tl::unexpected(usable.error());
    }
    auto lock = FileLock::take(path);
    if (!lock) {
        return tl::unexpected(lock.error());
    }
    auto writer = openWriter(path);
    if (!writer) {
        Error error = std::move(writer.error());
        if (error.message.find(path) == std::string::npos) {
            error.message = path + ": cannot be read and was left as it is: " + error.message;
        }
        return tl::unexpected(std::move(error));
    }
    return std::unique_ptr<Database>(new Database(path, std::move(*lock), std::move(*writer)));
}

Database::Database(std::string path, FileLock lock, Connection writer)
    : path_(std::move(path)), lock_(std::move(lock)), writer_(std::move(writer)), readers_(path_) {}

Database::~Database() {
    if (wal_descriptor_ >= 0) {
        ::close(wal_descriptor_);
    }
}

Expected<void> Database::startWriting() {
    auto done = migrate(writer_);
    if (!done) {
        return done;
    }
    auto begin = writer_.prepare("BEGIN IMMEDIATE");
    if (!begin) {
        return tl::unexpected(begin.error());
    }
    auto commit = writer_.prepare("COMMIT");
    if (!commit) {
        return tl::unexpected(commit.error());
    }
    auto blocks = BlockTable::open(writer_);
    if (!blocks) {
        return tl::unexpected(blocks.error());
    }
    begin_ = std::move(*begin);
    commit_ = std::move(*commit);
    blocks_ = std::move(*blocks);
    done = keepChanges(writer_);
    const auto count_pages = [](void* counter, sqlite3*, const char*, int pages) {
        *static_cast<std::atomic<int>*>(counter) = pages;
        return SQLITE_OK;
    };
    sqlite3_wal_hook(writer_.get(), count_pages, &wal_pages_);
    return done;
}

Expected<void> Database::transaction(const std::function<Expected<void>()>& body) {
    auto done = begin_.run();
    if (done) {
        done = body();
    }
    if (done) {
        done = commit_.run();
    }
    if (!done) {
        writer_.rollback();
        return done;
    }
    noteCommit();
    return done;
}

void Database::noteCommit() {
    bool first = false;
    {
        const MutexLock lock(sync_mutex_);
        if (!unsynced_) {
            first = true;
            unsynced_ = true;
            sync_due_ = Clock::now() + kSyncDelay;
        }
    }
    if (first || walIsLong()) {
        wakeMaintenance();
    }
}

void Database::wakeMaintenance() {
    if (maintenance_ != nullptr) {
        maintenance_->wake();
    }
}

bool Database::walIsLong() const {
    return wal_pages_ > kCheckpointPages;
}

std::optional<Database::Clock::time_point> Database::syncDue() const {
    const MutexLock lock(sync_mutex_);
    return unsynced_ ? std::optional(sync_due_) : std::nullopt;
}

bool Database::beginSync(bool only_if_due) {
    const MutexLock lock(sync_mutex_);
    if (!unsynced_ || (only_if_due && Clock::now() < sync_due_)) {
        return false;
    }
    unsynced_ = false;
    return true;
}

void Database::syncIfDue() {
    if (beginSync(true)) {
        syncWal();
    }
}

void Database::sync() {
    if (beginSync(false)) {
        syncWal();
    }
}

void Database::syncWal() {
    {
        const MutexLock lock(descriptor_mutex_);
        if (wal_descriptor_ < 0 && syncDirectoryOf(path_)) {
            wal_descriptor_ = ::open((path_ + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
        }
        sync_failed_ = wal_descriptor_ < 0 || ::fdatasync(wal_descriptor_) != 0;
    }
    if (sync_failed_) {
        const MutexLock lock(sync_mutex_);
        unsynced_ = true;
        sync_due_ = Clock::now() + kSyncDelay;
    }
}

void Database::checkpoint() {
    // Most pages are copied while others write. Writers wait only for the copy of the few that are added
    // meanwhile.
    {
        auto lease = reader();
        if (!lease) {
            return;
        }
        sqlite3_wal_checkpoint_v2((*lease)->connection.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                  nullptr);
    }
    const WriteAccess access(*this);
    sqlite3_wal_checkpoint_v2(access.connection().get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    // The next commit says how long the WAL is now.
    wal_pages_ = 0;
}

Expected<void> Database::withRoom(const std::function<Expected<void>()>& work) {
    auto done = work();
    if (done || done.error().kind != ErrorKind::unavailable) {
        return done;
    }
    checkpoint();
    return work();
}

Expected<void> Database::shrink() {
    std::int64_t free_before = -1;
    bool more = true;
    const auto step = [&]() -> Expected<void> {
        const MutexLock lock(write_mutex);
        const auto stepped = shrinkStep(free_before);
        if (!stepped) {
            return tl::unexpected(stepped.error());
        }
        more = *stepped;
        return {};
    };
    while (more) {
        if (auto done = withRoom(step); !done) {
            return done;
        }
    }
    return {};
}

/// False once no more pages can be returned. `free_before`: the free pages before the previous step.
Expected<bool> Database::shrinkStep(std::int64_t& free_before) {
    const auto pages = writer_.integer("PRAGMA page_count");
    const auto free = pages ? writer_.integer("PRAGMA freelist_count") : pages;
    if (!free) {
        return tl::unexpected(free.error());
    }
    const std::int64_t excess = *free - std::max(kFreePages, (*pages - *free) / 16);
    if (excess <= 0 || *free == free_before) {
        return false;
    }
    blocks_.release();
    const auto count = std::to_string(std::min(excess, kPagesAtOnce));
    auto done = writer_.exec(("PRAGMA incremental_vacuum(" + count + ")").c_str());
    if (!done) {
        return tl::unexpected(done.error());
    }
    free_before = *free;
    noteCommit();
    return true;
}

std::int64_t Database::walBytes() const {
    return bytesOf(path_ + "-wal");
}

std::int64_t Database::fileBytes() const {
    return bytesOf(path_) + walBytes();
}

WriteAccess::WriteAccess(Database& database) : database_(database) {
    database_.write_mutex.lock();
}

WriteAccess::~WriteAccess() {
    database_.write_mutex.unlock();
}

Connection& WriteAccess::connection() const {
    return database_.writer_;
}

BlockTable& WriteAccess::blocks() const {
    return database_.blocks_;
}

Expected<void> WriteAccess::transaction(const std::function<Expected<void>()>& body) const {
    return database_.transaction(body);
}

Expected<void> WriteAccess::startWriting() const {
    return database_.startWriting();
}

RewriteLock::RewriteLock(Database& database) : database_(database) {
    database_.rewrite_mutex.lock();
}

RewriteLock::~RewriteLock() {
    database_.rewrite_mutex.unlock();
}

}  // namespace lapwing::storage
