#include "collector/storage/maintenance.h"

#include <algorithm>
#include <utility>

namespace lapwing::storage {
namespace {

constexpr auto kHeadAge = std::chrono::minutes(20);
constexpr auto kFirstExpire = std::chrono::minutes(1);
constexpr auto kExpireEvery = std::chrono::minutes(60);
constexpr auto kAfterFailure = std::chrono::seconds(10);

}  // namespace

Maintenance::Maintenance(const StoreOptions& options, Database& database, const SeriesCatalog& catalog,
                         const Heads& heads, Compactor& compactor, IdleSeries& idle, Retention& retention)
    : options_(options),
      database_(database),
      catalog_(catalog),
      heads_(heads),
      compactor_(compactor),
      idle_(idle),
      retention_(retention),
      worker_("storage", [this] { return step(); }) {}

Maintenance::~Maintenance() {
    worker_.stop();
    database_.sync();
}

void Maintenance::start() {
    expire_due_ = Clock::now() + kFirstExpire;
    compact_due_ = Clock::now() + kHeadAge;
    database_.setMaintenance(worker_);
    // A large head shows that a compaction was due or under way at the last end. A collector that ends again
    // and again before a compaction has finished would replay more at each start.
    if (headIsLarge()) {
        failed_ = !compact();
    }
    worker_.start();
}

/// Does what is due. Returns how long nothing is.
std::chrono::milliseconds Maintenance::step() {
    const auto due = nextDue();
    if (due <= Clock::now()) {
        database_.syncIfDue();
        compactAndExpire();
        // On a full disk a checkpoint makes the room for the next attempt.
        if (database_.walIsLong() || failed_) {
            database_.checkpoint();
        }
    }
    const auto next = nextDue();
    return std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
}

bool Maintenance::headIsLarge() const {
    const ReaderLock lock(catalog_.mutex);
    return heads_.large(catalog_.index().size());
}

Maintenance::Clock::time_point Maintenance::nextDue() const {
    if (database_.walIsLong() || (headIsLarge() && !failed_)) {
        return Clock::now();
    }
    const auto due = std::min(expire_due_, compact_due_);
    return std::min(due, database_.syncDue().value_or(due));
}

void Maintenance::compactAndExpire() {
    const auto now = Clock::now();
    if (now >= compact_due_ || (headIsLarge() && !failed_)) {
        failed_ = !compact();
        if (options_.retention_bytes > 0) {
            expire_due_ = std::min(expire_due_, now);
        }
        compact_due_ = Clock::now() + (failed_ ? Clock::duration(kAfterFailure) : kHeadAge);
    }
    if (now >= expire_due_) {
        const bool expired = expire().has_value();
        expire_due_ = now + (expired ? Clock::duration(kExpireEvery) : kAfterFailure);
        failed_ = failed_ || !expired;
    }
}

Expected<void> Maintenance::compact() {
    const RewriteLock lock(database_);
    auto done = database_.withRoom([&] { return compactor_.restore(lock); });
    if (done) {
        done = database_.withRoom([&] { return compactor_.compact(lock); });
    }
    if (done) {
        done = database_.withRoom([&] { return idle_.archive(lock); });
    }
    if (done) {
        done = database_.shrink();
    }
    return noted(std::move(done));
}

Expected<void> Maintenance::expire() {
    const RewriteLock lock(database_);
    auto done = retention_.expire(lock);
    if (done) {
        done = database_.shrink();
    }
    return noted(std::move(done));
}

std::string Maintenance::trouble() const {
    const MutexLock lock(trouble_mutex_);
    return trouble_;
}

Expected<void> Maintenance::noted(Expected<void> done) {
    const MutexLock lock(trouble_mutex_);
    trouble_ = done ? std::string() : done.error().message;
    return done;
}

}  // namespace lapwing::storage
