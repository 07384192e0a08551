#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "collector/rules/group_runner.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::rules {

/// A group and its place in the schedule.
struct ScheduledGroup {
    explicit ScheduledGroup(RuleGroup group) : runner(std::move(group)) {}

    /// While `evaluating`, only the thread that evaluates the group uses it; else the schedule's mutex guards
    /// it.
    GroupRunner runner;
    TimestampMs last_slot = 0;
    std::chrono::steady_clock::time_point begun{};  ///< the last evaluation
    std::optional<std::int64_t> base;               ///< the time minus the monotonic clock at that moment
    bool evaluating = false;
    bool quick = false;  ///< the last evaluation took less than kSlowEvaluation
};

/// Evaluates groups at their times, several at once: each on one thread, and on some of the threads only
/// quick groups, so that these are in time however many others are slow. Thread-safe.
class GroupSchedule {
  public:
    /// Threads, and how many of them evaluate slow groups and new ones.
    static constexpr std::size_t kThreads = 8;
    static constexpr std::size_t kSlowThreads = 6;
    static constexpr std::chrono::milliseconds kSlowEvaluation{1000};
    /// How long whileIdle() waits before it interrupts evaluations.
    static constexpr std::chrono::milliseconds kPatience{1000};

    using Groups = std::vector<ScheduledGroup>;

    /// `cancelled` interrupts evaluations. `evaluated(i)` is called after each evaluation of group i, which
    /// still counts as evaluating, without the mutex. Both must outlive the schedule.
    GroupSchedule(const RunnerContext& context, std::atomic<bool>& cancelled,
                  std::function<void(std::size_t index, const GroupRunner& runner)> evaluated);
    ~GroupSchedule();
    GroupSchedule(const GroupSchedule&) = delete;
    GroupSchedule& operator=(const GroupSchedule&) = delete;

    /// The first evaluation of each group is at its first slot after the start, as in Prometheus. One thread
    /// starts and stops a schedule.
    void start();
    /// Interrupts evaluations, and lets none begin. Returns at once.
    void askToStop();
    void stop();

    /// Calls `change` while no group is evaluated. Evaluations that last longer than kPatience are
    /// interrupted, and counted as missed.
    void whileIdle(const std::function<void(Groups&)>& change);

    /// After the time jumped, the timers of the group's alerts go on as if it had not.
    static void followJump(ScheduledGroup& group, TimestampMs now);

  private:
    using Clock = std::chrono::steady_clock;

    std::chrono::milliseconds step(std::size_t worker);
    /// The group that has waited longest; null if no group may be evaluated now.
    ScheduledGroup* findDue(TimestampMs now) LAPWING_REQUIRES(mutex_);
    void begin(ScheduledGroup& group, TimestampMs now) LAPWING_REQUIRES(mutex_);
    void end(ScheduledGroup& group) LAPWING_REQUIRES(mutex_);
    bool slowGroupsWait() const LAPWING_REQUIRES(mutex_);
    /// How long the worker pauses. One worker watches the time for all.
    std::chrono::milliseconds pauseOf(std::size_t worker, TimestampMs now) LAPWING_REQUIRES(mutex_);
    void wakeIdleWorker() LAPWING_REQUIRES(mutex_);
    void logJump(TimestampMs now) LAPWING_REQUIRES(mutex_);
    /// Counts the evaluations for which it is too late, by a clock that nobody sets.
    static void countMissed(ScheduledGroup& group);

    const RunnerContext& context_;
    std::atomic<bool>& cancelled_;
    const std::function<void(std::size_t, const GroupRunner&)> evaluated_;

    Mutex mutex_;
    ConditionVariable idle_;
    Groups groups_ LAPWING_GUARDED_BY(mutex_);
    std::size_t evaluating_ LAPWING_GUARDED_BY(mutex_) = 0;
    int changes_waiting_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< no evaluation begins meanwhile
    bool stopping_ LAPWING_GUARDED_BY(mutex_) = false;
    std::optional<std::int64_t> base_ LAPWING_GUARDED_BY(mutex_);
    std::optional<std::size_t> timekeeper_ LAPWING_GUARDED_BY(mutex_);  ///< the worker that watches the time
    TimestampMs timekeeper_wakes_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::vector<bool> busy_ LAPWING_GUARDED_BY(mutex_);  ///< by worker

    bool running_ = false;
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace lapwing::rules
