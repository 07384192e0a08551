#include "agent/probes/mysql/beater.h"

#include <utility>

#include "agent/probes/mysql/statements.h"
#include "common/model/sample.h"

namespace lapwing::agent::mysql {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kDuplicateKey = 1062;
constexpr milliseconds kPlanHolds{1'600};    // the probe plans every second
constexpr milliseconds kWaitForServer{400};  // the probe reads half a second after the beat
constexpr milliseconds kLook{10};            // for the answer to an earlier statement
constexpr double kBeatHolds = 0.25;          // seconds from the check to the beat
constexpr std::chrono::seconds kUnused{60};  // then the connection is closed

}  // namespace

Beater::Beater(Settings settings, HeartbeatSettings heartbeat)
    : connection_(std::move(settings)), heartbeat_(std::move(heartbeat)) {}

Beater::~Beater() {
    {
        const MutexLock lock(stop_mutex_);
        stopping_ = true;
    }
    stop_.notifyAll();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Beater::setPlan(std::optional<BeatPlan> plan) {
    const bool first = plan.has_value() && !thread_.joinable();
    {
        const MutexLock lock(mutex_);
        plan_ = std::move(plan);
    }
    if (first) {
        thread_ = std::thread([this] { run(); });
    }
}

BeatState Beater::state() const {
    const MutexLock lock(mutex_);
    return state_;
}

void Beater::forgetDenial() {
    const MutexLock lock(mutex_);
    state_.denied = false;
}

void Beater::run() {
    MutexLock stop_lock(stop_mutex_);
    while (!stopping_) {
        // Begin late rather than early: a beat before the second would belong to the second before.
        const auto left = milliseconds(1001 - nowMs() % 1000);
        if (stop_.waitFor(stop_lock, left, [this]() LAPWING_REQUIRES(stop_mutex_) { return stopping_; })) {
            return;
        }
        stop_lock.unlock();
        beat();
        stop_lock.lock();
    }
}

std::optional<BeatPlan> Beater::freshPlan(Clock::time_point now) const {
    const MutexLock lock(mutex_);
    return plan_ && now - plan_->made <= kPlanHolds ? plan_ : std::nullopt;
}

/// False while an earlier statement has no answer.
bool Beater::isFree(Clock::time_point now) {
    if (connection_.busy()) {
        static_cast<void>(connection_.ready(now + kLook));
    }
    const bool free = !connection_.busy();
    const MutexLock lock(mutex_);
    if (free) {
        state_.pending_since.reset();
    }
    return free;
}

/// A server that became a replica needs no second connection.
void Beater::closeUnused(Clock::time_point now) {
    if (now - used_ < kUnused || connection_.thread() == 0) {
        return;
    }
    connection_.close();
    const MutexLock lock(mutex_);
    state_.thread = 0;
}

/// Once a session: its settings, and whether it is the server of the plan (an address may have moved).
Expected<void> Beater::greet(const BeatPlan& plan, Clock::time_point until) {
    if (greeted_session_ == connection_.session()) {
        return {};
    }
    if (const auto set = connection_.query(sessionStatement(plan.version), until); !set) {
        return tl::unexpected(set.error());
    }
    const auto id = connection_.query("SELECT @@global.server_id", until);
    if (!id) {
        return tl::unexpected(id.error());
    }
    if (id->rows.size() != 1 || id->rows[0].at(0) != plan.beat.server_id) {
        connection_.close();
        return fail(ErrorKind::protocol, connection_.settings().place() + ": another server answers there");
    }
    // A session keeps the format that it began with. Versions without the variable log rows.
    const auto format = connection_.query("SELECT @@session.binlog_format", until);
    if (!format && format.error().kind != ErrorKind::execution) {
        return tl::unexpected(format.error());
    }
    by_statement_ = format && format->rows.size() == 1 && format->rows[0].at(0) == "STATEMENT";
    greeted_session_ = connection_.session();
    return {};
}

/// Checks the conditions that the beat's own statement cannot check.
Expected<void> Beater::lookAgain(const BeatPlan& plan, Clock::time_point until) {
    if (!plan.beat.guard_read_only) {
        const auto answer = connection_.query("SELECT @@global.read_only", until);
        if (!answer) {
            return tl::unexpected(answer.error());
        }
        const bool writable =
            answer->rows.size() == 1 && (answer->rows[0].at(0) == "0" || answer->rows[0].at(0) == "OFF");
        if (!writable) {
            return fail(ErrorKind::execution, "it is read-only now");
        }
    }
    if (!plan.beat.guard_channels && heartbeat_.mode != HeartbeatMode::multi_primary) {
        const auto answer = connection_.query(replicaStatement(plan.version), until);
        if (!answer) {
            return tl::unexpected(answer.error());
        }
        if (!answer->rows.empty()) {
            return fail(ErrorKind::execution, "it is a replica now");
        }
    }
    return {};
}

/// False if the server found that it must not be written to.
Expected<bool> Beater::write(BeatPlan& plan, Clock::time_point until) {
    for (const bool first : {false, true}) {
        if (first && plan.row_exists) {
            break;
        }
        const auto done = connection_.query(beatStatement(heartbeat_, plan.beat, first), until);
        if (done && connection_.affected() > 0) {
            return true;
        }
        if (!done && connection_.refusal().code == kDuplicateKey) {
            break;
        }
        if (!done) {
            return tl::unexpected(done.error());
        }
    }
    return false;
}

Expected<bool> Beater::attempt(BeatPlan& plan, Clock::time_point now) {
    const auto until = now + kWaitForServer;
    if (auto ready = connection_.ready(until); !ready) {
        return tl::unexpected(ready.error());
    }
    if (auto greeted = greet(plan, until); !greeted) {
        return tl::unexpected(greeted.error());
    }
    plan.beat.expires =
        plan.server_time + std::chrono::duration<double>(Clock::now() - plan.made).count() + kBeatHolds;
    plan.beat.guard_read_only = canGuardReadOnly(by_statement_);
    plan.beat.guard_channels = heartbeat_.mode != HeartbeatMode::multi_primary &&
                               canGuardChannels(plan.version, plan.channels_table, by_statement_);
    if (auto looked = lookAgain(plan, until); !looked) {
        return tl::unexpected(looked.error());
    }
    return write(plan, until);
}

void Beater::beat() {
    const auto now = Clock::now();
    if (!isFree(now)) {
        return;
    }
    auto plan = freshPlan(now);
    if (!plan) {
        closeUnused(now);
        return;
    }
    used_ = now;
    const auto done = attempt(*plan, now);
    const MutexLock lock(mutex_);
    state_.thread = connection_.thread();
    if (connection_.busy() && state_.thread != 0) {
        state_.pending_since = now;
    }
    if (done && *done) {
        state_.last = Clock::now();
        state_.denied = false;
        state_.trouble.clear();
        state_.refusal = {};
        return;
    }
    state_.refusal = done ? Refusal{} : connection_.refusal();
    state_.refused_at = Clock::now();
    state_.trouble =
        done ? "the server found itself read-only or a replica, or the beat late" : done.error().message;
    state_.denied = !done && done.error().kind == ErrorKind::denied && state_.thread != 0;
    // The next plan sees what has changed.
    if (plan_ && plan_->made == plan->made) {
        plan_.reset();
    }
}

}  // namespace lapwing::agent::mysql
