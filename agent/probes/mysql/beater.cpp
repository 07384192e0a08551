#include "agent/probes/mysql/beater.h"

#include <utility>

#include "agent/probes/mysql/statements.h"
#include "common/model/sample.h"

namespace lapwing::agent::mysql {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kDuplicateKey = 1062;
constexpr milliseconds kPlanHolds{1'600};    // the probe plans every second
constexpr milliseconds kWaitForProbe{200};   // its statements take far less unless the server hangs
constexpr milliseconds kWaitForServer{400};  // the probe reads half a second after the beat
constexpr double kBeatHolds = 0.25;          // seconds from the check to the beat

}  // namespace

Beater::Beater(Connection& connection, TimedMutex& mutex, HeartbeatSettings settings)
    : connection_(connection), mutex_(mutex), settings_(std::move(settings)) {}

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
    plan_ = std::move(plan);
    if (plan_ && !thread_.joinable()) {
        thread_ = std::thread([this] { run(); });
    }
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
        {
            const std::unique_lock lock(mutex_, kWaitForProbe);
            if (lock.owns_lock()) {
                beat();
            }
        }
        stop_lock.lock();
    }
}

/// Checks the conditions that the beat's own statement cannot check. False: no beat.
bool Beater::lookAgain(Clock::time_point until) {
    const auto stop = [this](std::string trouble, bool denied) {
        state_.trouble = std::move(trouble);
        state_.denied = denied;
        plan_.reset();
        return false;
    };
    if (!plan_->beat.guard_read_only) {
        const auto answer = connection_.query("SELECT @@global.read_only", until);
        if (!answer) {
            return stop(answer.error().message, false);
        }
        const bool writable =
            answer->rows.size() == 1 && (answer->rows[0].at(0) == "0" || answer->rows[0].at(0) == "OFF");
        if (!writable) {
            return stop("it is read-only now", false);
        }
    }
    if (!plan_->beat.guard_channels && settings_.mode != HeartbeatMode::multi_primary) {
        const auto answer = connection_.query(replicaStatement(plan_->version), until);
        if (!answer) {
            return stop(answer.error().message, false);
        }
        if (!answer->rows.empty()) {
            return stop("it is a replica now", false);
        }
    }
    return true;
}

void Beater::beat() {
    const auto now = Clock::now();
    if (!plan_ || now - plan_->made > kPlanHolds || !connection_.idle(plan_->session)) {
        return;
    }
    const auto until = now + kWaitForServer;
    plan_->beat.expires =
        plan_->server_time + std::chrono::duration<double>(now - plan_->made).count() + kBeatHolds;
    if (!lookAgain(until)) {
        return;
    }
    for (const bool first : {false, true}) {
        if (first && plan_->row_exists) {
            break;
        }
        const auto done = connection_.query(beatStatement(settings_, plan_->beat, first), until);
        if (done && connection_.affected() > 0) {
            plan_->row_exists = true;
            state_ = {Clock::now(), false, {}};
            return;
        }
        if (done) {
            continue;
        }
        if (connection_.refusal().code == kDuplicateKey) {
            break;
        }
        state_.trouble = done.error().message;
        state_.denied = done.error().kind == ErrorKind::denied;
        plan_.reset();
        return;
    }
    state_.trouble = "the server found itself read-only or a replica, or the beat late";
    state_.denied = false;
    plan_.reset();
}

}  // namespace lapwing::agent::mysql
