#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace lapwing::agent::mysql {

/// A mutex with a timed lock on the monotonic clock (TimedLockable). std::timed_mutex has it too, but by a
/// call, pthread_mutex_clocklock, that the thread sanitizer of gcc 12 does not see.
class TimedMutex {
  public:
    void lock() {
        std::unique_lock guard(mutex_);
        free_.wait(guard, [this] { return !taken_; });
        taken_ = true;
    }
    bool try_lock() {  // NOLINT(readability-identifier-naming): the standard's name
        const std::lock_guard guard(mutex_);
        const bool mine = !taken_;
        taken_ = true;
        return mine;
    }
    // NOLINTNEXTLINE(readability-identifier-naming): the standard's name
    bool try_lock_until(std::chrono::steady_clock::time_point until) {
        std::unique_lock guard(mutex_);
        const bool mine = free_.wait_until(guard, until, [this] { return !taken_; });
        taken_ = true;
        return mine;
    }
    // NOLINTNEXTLINE(readability-identifier-naming): the standard's name
    bool try_lock_for(std::chrono::steady_clock::duration longest) {
        return try_lock_until(std::chrono::steady_clock::now() + longest);
    }
    void unlock() {
        {
            const std::lock_guard guard(mutex_);
            taken_ = false;
        }
        free_.notify_one();
    }

  private:
    std::mutex mutex_;
    std::condition_variable free_;
    bool taken_ = false;
};

}  // namespace lapwing::agent::mysql
