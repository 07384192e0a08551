#pragma once

#include <chrono>

#include "common/mutex.h"

namespace lapwing::agent::mysql {

/// A mutex with a timed lock on the monotonic clock (TimedLockable). std::timed_mutex has it too, but by a
/// call, pthread_mutex_clocklock, that the thread sanitizer of gcc 12 does not see.
class TimedMutex {
  public:
    void lock() {
        MutexLock guard(mutex_);
        free_.wait(guard, [this]() LAPWING_REQUIRES(mutex_) { return !taken_; });
        taken_ = true;
    }
    bool try_lock() {  // NOLINT(readability-identifier-naming): the standard's name
        const MutexLock guard(mutex_);
        const bool mine = !taken_;
        taken_ = true;
        return mine;
    }
    // NOLINTNEXTLINE(readability-identifier-naming): the standard's name
    bool try_lock_until(std::chrono::steady_clock::time_point until) {
        MutexLock guard(mutex_);
        const bool mine =
            free_.waitUntil(guard, until, [this]() LAPWING_REQUIRES(mutex_) { return !taken_; });
        taken_ = true;
        return mine;
    }
    // NOLINTNEXTLINE(readability-identifier-naming): the standard's name
    bool try_lock_for(std::chrono::steady_clock::duration longest) {
        return try_lock_until(std::chrono::steady_clock::now() + longest);
    }
    void unlock() {
        {
            const MutexLock guard(mutex_);
            taken_ = false;
        }
        free_.notifyOne();
    }

  private:
    Mutex mutex_;
    ConditionVariable free_;
    bool taken_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::agent::mysql
