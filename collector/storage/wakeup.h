#pragma once

#include <chrono>

#include "common/mutex.h"

namespace lapwing::storage {

/// Wakes the maintenance thread when there may be work for it. Thread-safe.
class Wakeup {
  public:
    void wake() {
        {
            const MutexLock lock(mutex_);
            woken_ = true;
        }
        changed_.notifyOne();
    }

    /// Ends this wait and every later one.
    void stop() {
        {
            const MutexLock lock(mutex_);
            stopped_ = true;
        }
        changed_.notifyAll();
    }

    bool stopped() const {
        const MutexLock lock(mutex_);
        return stopped_;
    }

    /// Returns at the deadline, after stop(), or once after each wake(), also after a wake() before the call.
    void waitUntil(std::chrono::steady_clock::time_point deadline) {
        MutexLock lock(mutex_);
        changed_.waitUntil(lock, deadline, [this]() LAPWING_REQUIRES(mutex_) { return woken_ || stopped_; });
        woken_ = false;
    }

  private:
    mutable Mutex mutex_;
    ConditionVariable changed_;
    bool woken_ LAPWING_GUARDED_BY(mutex_) = false;
    bool stopped_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::storage
