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

Maintenance::Maintenance(const StoreOptions& options, Wakeup& wakeup, Database& database,
                         const SeriesCatalog& catalog, const Heads& heads, Compactor& compactor,
                         Retention& retention)
    : options_(options),
      wakeup_(wakeup),
      database_(database),
      catalog_(catalog),
      heads_(heads),
      compactor_(compactor),
      retention_(retention) {}

Maintenance::~Maintenance() {
    wakeup_.stop();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Maintenance::start() {
    thread_ = std::thread([this] { run(); });
}

void Maintenance::run() {
    Schedule schedule{Clock::now() + kFirstExpire, Clock::now() + kHeadAge};
    while (!wakeup_.stopped()) {
        const auto due = nextDue(schedule);
        if (Clock::now() < due) {
            wakeup_.waitUntil(due);
        } else {
            runDue(schedule);
        }
    }
    database_.sync();
}

bool Maintenance::headIsLarge() const {
    const ReaderLock lock(catalog_.mutex);
    return heads_.large(catalog_.index().size());
}

Maintenance::Clock::time_point Maintenance::nextDue(const Schedule& schedule) const {
    if (database_.walIsLong() || (headIsLarge() && !schedule.failed)) {
        return Clock::now();
    }
    const auto due = std::min(schedule.expire_due, schedule.compact_due);
    return std::min(due, database_.syncDue().value_or(due));
}

void Maintenance::runDue(Schedule& schedule) {
    database_.syncIfDue();
    const auto now = Clock::now();
    if (now >= schedule.compact_due || (headIsLarge() && !schedule.failed)) {
        schedule.failed = !compact();
        if (options_.retention_bytes > 0) {
            schedule.expire_due = std::min(schedule.expire_due, now);
        }
        schedule.compact_due = Clock::now() + (schedule.failed ? Clock::duration(kAfterFailure) : kHeadAge);
    }
    if (now >= schedule.expire_due) {
        const bool expired = expire().has_value();
        schedule.expire_due = now + (expired ? Clock::duration(kExpireEvery) : kAfterFailure);
        schedule.failed = schedule.failed || !expired;
    }
    // On a full disk a checkpoint makes the room for the next attempt.
    if (database_.walIsLong() || schedule.failed) {
        database_.checkpoint();
    }
}

Expected<void> Maintenance::compact() {
    const RewriteLock lock(database_);
    auto done = database_.withRoom([&] { return compactor_.compact(lock); });
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
