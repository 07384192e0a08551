#include "collector/rules/group_schedule.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "common/model/clock.h"

namespace lapwing::rules {
namespace {

/// The time between two evaluations may deviate from the monotonic clock by this much without a jump.
constexpr std::int64_t kSlewedMs = 2'000;
/// Longest pause: a clock that was set back must not stop the evaluation for longer.
constexpr std::int64_t kLongestPauseMs = 60'000;
/// The pause of workers that do not watch the time. Another worker wakes them.
constexpr std::chrono::hours kUntilWoken{1};

std::int64_t baseAt(TimestampMs now) {
    return now - readClocks().steady;
}

bool isDue(const ScheduledGroup& group, TimestampMs slot) {
    // A clock that was set back by more than an interval must not stop the evaluation.
    return slot > group.last_slot || slot < group.last_slot - group.runner.group().interval_ms;
}

bool isSlow(const ScheduledGroup& group) {
    return !group.quick || (group.evaluating &&
                            std::chrono::steady_clock::now() - group.begun >= GroupSchedule::kSlowEvaluation);
}

}  // namespace

GroupSchedule::GroupSchedule(const RunnerContext& context, std::atomic<bool>& cancelled,
                             std::function<void(std::size_t, const GroupRunner&)> evaluated)
    : context_(context), cancelled_(cancelled), evaluated_(std::move(evaluated)), busy_(kThreads) {
    for (std::size_t i = 0; i < kThreads; ++i) {
        workers_.push_back(
            std::make_unique<Worker>("rules-" + std::to_string(i + 1), [this, i] { return step(i); }));
    }
}

GroupSchedule::~GroupSchedule() {
    stop();
}

void GroupSchedule::start() {
    if (std::exchange(running_, true)) {
        return;
    }
    {
        const MutexLock lock(mutex_);
        for (auto& group : groups_) {
            group.last_slot = group.runner.group().slot(nowMs());
        }
    }
    for (auto& worker : workers_) {
        worker->start();
    }
}

void GroupSchedule::askToStop() {
    {
        const MutexLock lock(mutex_);
        stopping_ = running_;
        cancelled_ = running_;
    }
    for (auto& worker : workers_) {
        worker->askToStop();
    }
}

void GroupSchedule::stop() {
    if (!running_) {
        return;
    }
    askToStop();
    for (auto& worker : workers_) {
        worker->join();
    }
    running_ = false;
    const MutexLock lock(mutex_);
    stopping_ = false;
    cancelled_ = false;
    timekeeper_.reset();
}

void GroupSchedule::whileIdle(const std::function<void(Groups&)>& change) {
    MutexLock lock(mutex_);
    ++changes_waiting_;
    const auto none = [this]() LAPWING_REQUIRES(mutex_) { return evaluating_ == 0; };
    if (!idle_.waitFor(lock, kPatience, none)) {
        cancelled_ = true;
        idle_.wait(lock, none);
        cancelled_ = stopping_;
    }
    change(groups_);
    --changes_waiting_;
    timekeeper_.reset();
    wakeIdleWorker();
}

void GroupSchedule::followJump(ScheduledGroup& group, TimestampMs now) {
    const auto base = baseAt(now);
    const auto jump = base - group.base.value_or(base);
    group.base = base;
    if (std::abs(jump) > kSlewedMs) {
        group.runner.shiftTimes(jump);
    }
}

void GroupSchedule::logJump(TimestampMs now) {
    const auto base = baseAt(now);
    const auto jump = base - base_.value_or(base);
    base_ = base;
    if (std::abs(jump) > kSlewedMs) {
        spdlog::warn("the time jumped by {} s: the timers of alerts go on", jump / 1000);
    }
}

void GroupSchedule::countMissed(ScheduledGroup& group) {
    const auto now = Clock::now();
    const auto since = std::exchange(group.begun, now);
    if (since.time_since_epoch().count() == 0) {
        return;
    }
    const auto interval = group.runner.group().interval_ms;
    const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
    // Half an interval: an evaluation begins some milliseconds before or after its time.
    const auto intervals = (late + interval / 2) / interval;
    if (intervals > 1) {
        group.runner.countMissed(static_cast<std::uint64_t>(intervals - 1));
    }
}

bool GroupSchedule::slowGroupsWait() const {
    const auto slow = std::count_if(groups_.begin(), groups_.end(), [](const ScheduledGroup& group) {
        return group.evaluating && isSlow(group);
    });
    return static_cast<std::size_t>(slow) >= kSlowThreads;
}

ScheduledGroup* GroupSchedule::findDue(TimestampMs now) {
    if (changes_waiting_ > 0 || stopping_) {
        return nullptr;
    }
    const bool slow_wait = slowGroupsWait();
    ScheduledGroup* found = nullptr;
    for (auto& group : groups_) {
        const bool allowed = !group.evaluating && !(slow_wait && isSlow(group));
        if (allowed && isDue(group, group.runner.group().slot(now)) &&
            (found == nullptr || group.last_slot < found->last_slot)) {
            found = &group;
        }
    }
    return found;
}

void GroupSchedule::begin(ScheduledGroup& group, TimestampMs now) {
    group.last_slot = group.runner.group().slot(now);
    group.evaluating = true;
    ++evaluating_;
    countMissed(group);
}

void GroupSchedule::end(ScheduledGroup& group) {
    group.quick = Clock::now() - group.begun < kSlowEvaluation;
    group.evaluating = false;
    if (--evaluating_ == 0) {
        idle_.notifyAll();
    }
}

std::chrono::milliseconds GroupSchedule::pauseOf(std::size_t worker, TimestampMs now) {
    if (changes_waiting_ > 0) {
        return kUntilWoken;
    }
    TimestampMs next = now + kLongestPauseMs;
    for (const auto& group : groups_) {
        const TimestampMs due = group.last_slot + group.runner.group().interval_ms;
        // The worker that finishes an evaluation looks for the next group itself.
        if (!group.evaluating && due > now) {
            next = std::min(next, due);
        }
    }
    if (timekeeper_ && *timekeeper_ != worker && timekeeper_wakes_ > now && timekeeper_wakes_ <= next) {
        return kUntilWoken;
    }
    timekeeper_ = worker;
    timekeeper_wakes_ = next;
    return std::chrono::milliseconds(std::max<std::int64_t>(next - now, 1));
}

void GroupSchedule::wakeIdleWorker() {
    const auto idle = std::find(busy_.begin(), busy_.end(), false);
    if (idle != busy_.end()) {
        workers_[static_cast<std::size_t>(idle - busy_.begin())]->wake();
    }
}

/// Evaluates the group that is due, if any. Returns the pause until the worker's next step.
std::chrono::milliseconds GroupSchedule::step(std::size_t worker) {
    MutexLock lock(mutex_);
    const TimestampMs now = nowMs();
    auto* due = findDue(now);
    if (due == nullptr) {
        return pauseOf(worker, now);
    }
    logJump(now);
    busy_[worker] = true;
    if (timekeeper_ == worker) {
        timekeeper_.reset();
    }
    // It evaluates the next group that is due, or watches the time.
    wakeIdleWorker();
    begin(*due, now);
    const auto index = static_cast<std::size_t>(due - groups_.data());
    lock.unlock();
    followJump(*due, now);
    if (!due->runner.evaluate(due->last_slot, context_)) {
        due->runner.countMissed(1);
    }
    evaluated_(index, due->runner);
    lock.lock();
    end(*due);
    busy_[worker] = false;
    return std::chrono::milliseconds(0);
}

}  // namespace lapwing::rules
