#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "common/mutex.h"

namespace lapwing {

/// A named thread that repeats one step, with a pause after each, until it is asked to stop. wake() and
/// askToStop() end a pause at once; they do not interrupt a step.
///
/// wake(), askToStop() and stopping() are safe from any thread, also from within the step. One thread makes,
/// starts, joins and destroys a worker.
class Worker {
  public:
    /// Does one round of work, and returns how long to pause before the next (zero or less: no pause).
    using Step = std::function<std::chrono::milliseconds()>;

    /// `name` names the thread for debuggers and `top -H`; Linux shows its first 15 bytes.
    Worker(const std::string& name, Step step);
    /// Stops and joins.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Starts the thread; does nothing while it runs. A worker may be started again after join().
    void start();
    /// No further step begins. Returns at once.
    void askToStop();
    /// Waits for the step under way. Ask the worker to stop first.
    void join();
    /// askToStop(), then join().
    void stop();

    /// Lets the next step begin at once: ends the present pause, or leaves out the pause after a step that is
    /// under way.
    void wake();

    /// Whether the worker has been asked to stop, or was never started. For steps that wait themselves.
    bool stopping() const { return stopping_; }

  private:
    void run();

    const std::string name_;
    const Step step_;
    std::atomic<bool> stopping_{true};
    Mutex mutex_;
    ConditionVariable changed_;
    bool woken_ LAPWING_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace lapwing
