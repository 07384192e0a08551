#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "common/mutex.h"

namespace lapwing::agent {

/// A few threads that run tasks at once: a task never waits for another task, because a thread is added when
/// none is idle. Added threads end after an idle time. The callers bound the number of tasks. Threads are
/// never joined, since a task may hang for ever. Safe from any thread.
class Workers : public std::enable_shared_from_this<Workers> {
  public:
    using Task = std::function<void()>;
    /// `kept` threads stay once they have been made.
    static std::shared_ptr<Workers> create(std::size_t kept, std::chrono::milliseconds linger);

    /// False if the system gives no further thread; the task is not run then.
    bool submit(Task task);
    /// Drops the tasks that have not begun; idle threads end.
    void stop();
    std::size_t threads() const;

  private:
    Workers(std::size_t kept, std::chrono::milliseconds linger) : kept_(kept), linger_(linger) {}
    void work();

    const std::size_t kept_;
    const std::chrono::milliseconds linger_;
    mutable Mutex mutex_;
    ConditionVariable wake_;
    std::deque<Task> tasks_ LAPWING_GUARDED_BY(mutex_);
    std::size_t threads_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::size_t idle_ LAPWING_GUARDED_BY(mutex_) = 0;
    bool stopping_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::agent
