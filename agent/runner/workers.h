#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace lapwing::agent {

/// A few threads that run tasks at once: a task never waits for another one, because a thread is added when
/// none is idle. Added ones end when they have been idle for a while. Whoever submits bounds how many tasks
/// there can be. Threads are never joined, since a task may hang for ever. Safe from any thread.
class Workers : public std::enable_shared_from_this<Workers> {
  public:
    using Task = std::function<void()>;
    /// `kept` threads stay, once they are there.
    static std::shared_ptr<Workers> create(std::size_t kept, std::chrono::milliseconds linger);

    /// False if the system gives no further thread; the task is not run then.
    bool submit(Task task);
    /// Drops what has not begun; idle threads end.
    void stop();
    std::size_t threads() const;

  private:
    Workers(std::size_t kept, std::chrono::milliseconds linger) : kept_(kept), linger_(linger) {}
    void work();

    const std::size_t kept_;
    const std::chrono::milliseconds linger_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Task> tasks_;
    std::size_t threads_ = 0;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

}  // namespace lapwing::agent
