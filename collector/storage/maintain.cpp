#include <fcntl.h>
#include <malloc.h>
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
/// The head becomes blocks when it is that old, or when replaying its log would take too long.
constexpr auto kHeadAge = minutes(20);
constexpr std::size_t kHeadLogBytes = 48U << 20;
constexpr auto kExpireEvery = minutes(60);
constexpr auto kAfterFailure = seconds(10);
/// 4 MB of log to replay at most, apart from what is written during a checkpoint.
constexpr int kCheckpointPages = 1000;

}  // namespace

/// Called with write_mutex_ held, after each commit.
void SqliteStore::committed() {
    const std::lock_guard lock(maintain_mutex_);
    const bool large = log_bytes_ > kHeadLogBytes || wal_pages_ > kCheckpointPages;
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
        const bool large = log_bytes_ > kHeadLogBytes && !failed;
        if (steady_clock::now() < due && !large && wal_pages_ <= kCheckpointPages) {
            maintain_wake_.wait_until(lock, due);
            continue;
        }
        lock.unlock();
        syncLog();
        const auto now = steady_clock::now();
        if (now >= compact_due_ || large) {
            failed = !compact();
            compact_due_ = steady_clock::now() + (failed ? steady_clock::duration(kAfterFailure) : kHeadAge);
        }
        if (now >= expire_due) expire_due = expire() ? now + kExpireEvery : now + kAfterFailure;
        if (wal_pages_ > kCheckpointPages) checkpoint();
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

Expected<void> SqliteStore::compactHead() {
    const std::lock_guard compact_lock(compact_mutex_);
    std::vector<std::pair<GroupId, std::vector<SeriesId>>> groups;
    {
        const std::lock_guard write_lock(write_mutex_);
        // What an earlier attempt left frozen goes first.
        if (frozen_.empty()) {
            if (head_.empty()) return {};
            const std::lock_guard head_lock(head_mutex_);
            frozen_ = std::exchange(head_, Head());
            frozen_seq_ = last_seq_;
            log_bytes_ = 0;
        }
        std::unordered_map<GroupId, std::vector<SeriesId>> by_group;
        for (SeriesId id = 0; id < frozen_.end(); ++id) {
            if (frozen_.contains(id)) by_group[index_->group(id)].push_back(id);
        }
        groups.assign(by_group.begin(), by_group.end());
    }
    for (const auto& [group, ids] : groups) {
        auto done = compactGroup(group, ids);
        if (!done) return done;
        syncLog();
    }
    {
        const std::lock_guard write_lock(write_mutex_);
        auto marked = markCompacted(frozen_seq_);
        if (!marked) return marked;
        const std::lock_guard head_lock(head_mutex_);
        frozen_ = Head();
    }
    auto shortened = shortenLog(frozen_seq_);
    if (!shortened) return shortened;
    ::malloc_trim(0);
    return {};
}

Expected<void> SqliteStore::compactGroup(GroupId group, const std::vector<SeriesId>& ids) {
    // Nobody else changes the frozen head or blocks while compact_mutex_ is held, so encoding holds up
    // nobody.
    std::vector<std::int64_t> windows;
    std::vector<std::vector<Sample>> samples(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        mergeInto(frozen_.copy(ids[i], 0, INT64_MAX), 0, INT64_MAX, samples[i]);
        for (const auto& sample : samples[i]) {
            const auto window = windowOf(sample.timestamp);
            if (windows.empty() || windows.back() != window) windows.push_back(window);
        }
    }
    std::sort(windows.begin(), windows.end());
    windows.erase(std::unique(windows.begin(), windows.end()), windows.end());
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& blocks = (*reader)->blocks;
    for (const auto window : windows) {
        const TimestampMs from = window * kWindowMs;
        const TimestampMs to = from + kWindowMs - 1;
        const auto there = blocks.load(blockRow(window, group));
        if (!there) return tl::unexpected(there.error());
        const std::vector<BlockDirectory::Entry> none;
        const auto& old = *there ? blocks.directory().entries() : none;
        BlockWriter writer;
        std::vector<Sample> merged;
        auto entry = old.begin();
        std::size_t i = 0;
        while (entry != old.end() || i < ids.size()) {
            merged.clear();
            const SeriesId id = entry == old.end() ? ids[i]
                                : i == ids.size()  ? entry->id
                                                   : std::min(entry->id, ids[i]);
            if (entry != old.end() && entry->id == id) {
                auto done = blocks.read(*entry++, from, to, merged);
                if (!done) return done;
            }
            if (i < ids.size() && ids[i] == id) {
                const auto& all = samples[i++];
                const auto before = [](const Sample& sample, TimestampMs at) {
                    return sample.timestamp < at;
                };
                const auto begin = std::lower_bound(all.begin(), all.end(), from, before);
                const auto end = std::lower_bound(begin, all.end(), to + 1, before);
                mergeInto(std::vector<Sample>(begin, end), merged);
            }
            if (!merged.empty()) writer.add(id, merged);
        }
        blocks.release();
        const auto data = writer.finish();
        const std::lock_guard write_lock(write_mutex_);
        auto done = transaction([&]() -> Expected<void> {
            auto put = writer_.prepare("INSERT OR REPLACE INTO chunks(id, data) VALUES(?1, ?2)", false);
            if (!put) return tl::unexpected(put.error());
            return put->bind(1, blockRow(window, group)).bindBlob(2, data).run();
        });
        if (!done) return done;
    }
    const std::lock_guard write_lock(write_mutex_);
    return transaction([&]() -> Expected<void> {
        auto update = writer_.prepare("UPDATE series SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
        if (!update) return tl::unexpected(update.error());
        for (const auto id : ids) {
            // Of the whole series: what the head has by now is in the log, and true after a replay as well.
            auto done = update->bind(1, id).bind(2, spans_[id].oldest).bind(3, spans_[id].newest).run();
            if (!done) return done;
        }
        return {};
    });
}

}  // namespace lapwing::storage
