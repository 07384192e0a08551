#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace lapwing::api {

/// Threads that do the work of requests. The clients take turns: a client runs a limited number of tasks at
/// once, and one that posts many delays only its own. Threads start when they are needed. Thread-safe.
class WorkQueue {
  public:
    using Task = std::function<void()>;

    /// `waiting`: the number of tasks that may wait for a thread.
    WorkQueue(std::string name, std::size_t threads, std::size_t per_client, std::size_t waiting);
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    /// False if too many tasks wait, if no thread can be started, or after stop(). A task that throws is
    /// given up.
    bool post(const std::string& client, Task task);
    /// Ends the threads once their tasks end; tasks that still wait are dropped.
    void stop();

  private:
    struct Client {
        std::deque<Task> waiting;
        std::size_t running = 0;
        bool has_turn = false;  ///< its name is in turns_
    };

    void run();
    void attempt(const Task& task) const;
    bool startThread() LAPWING_REQUIRES(mutex_);
    void giveTurn(const std::string& name, Client& client) LAPWING_REQUIRES(mutex_);

    const std::string name_;
    const std::size_t most_threads_;
    const std::size_t per_client_;
    const std::size_t most_waiting_;

    Mutex mutex_;
    ConditionVariable changed_;
    std::map<std::string, Client> clients_ LAPWING_GUARDED_BY(mutex_);
    /// The clients with a task that may run now, each once.
    std::deque<std::string> turns_ LAPWING_GUARDED_BY(mutex_);
    std::size_t waiting_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::size_t free_ LAPWING_GUARDED_BY(mutex_) = 0;
    bool stopping_ LAPWING_GUARDED_BY(mutex_) = false;
    bool lacks_threads_ LAPWING_GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::api
