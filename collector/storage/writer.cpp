#include "collector/storage/writer.h"

#include <algorithm>
#include <utility>

namespace lapwing::storage {

Writer::Writer(const StoreOptions& options, Database& database, SeriesCatalog& catalog, Heads& heads,
               LogTable& log)
    : options_(options),
      database_(database),
      catalog_(catalog),
      heads_(heads),
      log_(log),
      stager_(options, database, catalog, heads) {}

Expected<AppendResult> Writer::append(std::span<BatchSeries> batch, const std::string& sender) {
    PendingBatch mine;
    mine.batch = batch;
    mine.sender = &sender;
    MutexLock lock(queue_mutex_);
    queue_.push_back(&mine);
    while (!mine.done) {
        if (committing_) {
            committed_.wait(lock);
            continue;
        }
        committing_ = true;
        auto pending = std::exchange(queue_, {});
        lock.unlock();
        const std::size_t finished = commit(pending);
        lock.lock();
        const auto waiting = pending.begin() + static_cast<std::ptrdiff_t>(finished);
        std::for_each(pending.begin(), waiting, [](PendingBatch* batch_done) { batch_done->done = true; });
        queue_.insert(queue_.begin(), waiting, pending.end());
        committing_ = false;
        committed_.notifyAll();
    }
    return std::move(mine.result);
}

/// Returns how many batches are finished; they are first in `pending` then, and those that must wait for the
/// next commit behind them. An exception (no memory) half way would leave the heads without samples that the
/// log has: the process ends, and a restart replays the log.
std::size_t Writer::commit(std::vector<PendingBatch*>& pending) noexcept {
    const WriteAccess access(database_);
    CommitGroup group = stager_.newGroup(access);
    const auto waiting = std::stable_partition(
        pending.begin(), pending.end(), [&](PendingBatch* batch) { return stage(access, *batch, group); });
    const auto written = write(access, group);
    noteTrouble(written);
    for (auto& staged : group.staged) {
        if (!written) {
            staged.pending->result = tl::unexpected(written.error());
            continue;
        }
        for (const auto& [position, id] : staged.found) {
            staged.pending->batch[position].ref = id;
        }
        staged.pending->result = std::move(staged.result);
    }
    return static_cast<std::size_t>(waiting - pending.begin());
}

void Writer::noteTrouble(const Expected<void>& written) {
    const MutexLock lock(trouble_mutex_);
    trouble_ = written ? std::string() : written.error().message;
}

std::string Writer::trouble() const {
    const MutexLock lock(trouble_mutex_);
    return trouble_;
}

/// False if the batch must wait for the next commit. A batch that fails is finished, and not in the group.
bool Writer::stage(const WriteAccess& access, PendingBatch& pending, CommitGroup& group) {
    if (database_.syncFailed()) {
        pending.result = fail(ErrorKind::unavailable, "database: the last write did not reach the disk");
        return true;
    }
    if (stager_.mustWait(access, pending.batch, group)) {
        return false;
    }
    const auto staged = stager_.stage(access, pending, group);
    if (!staged) {
        pending.result = tl::unexpected(staged.error());
    }
    return true;
}

Expected<void> Writer::write(const WriteAccess& access, const CommitGroup& group) {
    access.blocks().release();
    LogEnd end = log_.end();
    const bool any = std::any_of(group.staged.begin(), group.staged.end(),
                                 [](const StagedBatch& staged) { return !staged.series.empty(); });
    if (any || !group.created.series.empty()) {
        auto done = access.transaction([&]() -> Expected<void> {
            auto inserted = catalog_.insert(access, group.created);
            if (!inserted) {
                return inserted;
            }
            for (const auto& staged : group.staged) {
                if (staged.series.empty()) {
                    continue;
                }
                const auto payload = encodeLogEntry(staged.series);
                end.bytes += payload.size();
                inserted = log_.insert(access, ++end.seq, options_.clock(), payload);
                if (!inserted) {
                    return inserted;
                }
            }
            return {};
        });
        if (!done) {
            catalog_.withdraw(access, group.created);
            return done;
        }
    }
    publish(access, group, end);
    return {};
}

/// Makes what is committed visible: series first, for the samples and the log name them.
void Writer::publish(const WriteAccess& access, const CommitGroup& group, LogEnd end) {
    if (!group.created.series.empty()) {
        catalog_.publish(access, group.created);
    }
    std::uint64_t stored = 0;
    for (const auto& staged : group.staged) {
        heads_.append(access, staged.series);
        stored += staged.samples.size();
    }
    samples_stored_ += stored;
    log_.publish(access, end);
    if (heads_.large(catalog_.index(access).size())) {
        database_.wakeMaintenance();
    }
}

}  // namespace lapwing::storage
