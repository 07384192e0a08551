#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "common/mutex.h"

namespace lapwing::api {

/// Lets a limited number of queries run at once; further ones wait until one of them ends. Thread-safe.
class QueryGate {
  public:
    explicit QueryGate(unsigned most) : most_(most), free_(most) {}
    QueryGate(const QueryGate&) = delete;
    QueryGate& operator=(const QueryGate&) = delete;

    /// A turn, held for the object's lifetime; false if no turn came within `patience`, or before `gone`
    /// was set.
    class Turn {
      public:
        Turn(QueryGate& gate, std::chrono::milliseconds patience, const std::atomic<bool>& gone)
            : gate_(gate) {
            constexpr std::chrono::milliseconds look{200};
            const auto until = std::chrono::steady_clock::now() + patience;
            MutexLock lock(gate_.mutex_);
            ++gate_.waiting_;
            while (gate_.free_ == 0 && !gate_.closed_ && !gone) {
                const auto now = std::chrono::steady_clock::now();
                if (now >= until) {
                    break;
                }
                gate_.left_.waitUntil(lock, std::min(until, now + look));
            }
            --gate_.waiting_;
            got_ = gate_.free_ > 0 && !gate_.closed_ && !gone;
            if (got_) {
                --gate_.free_;
            }
        }
        ~Turn() {
            if (!got_) {
                return;
            }
            const MutexLock lock(gate_.mutex_);
            ++gate_.free_;
            gate_.left_.notifyOne();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        explicit operator bool() const { return got_; }

      private:
        QueryGate& gate_;
        bool got_ = false;
    };

    struct State {
        unsigned running = 0;
        unsigned waiting = 0;
    };
    State state() const {
        const MutexLock lock(mutex_);
        return {most_ - free_, waiting_};
    }

    /// Refuses further queries, and ends the waiting ones.
    void close() {
        const MutexLock lock(mutex_);
        closed_ = true;
        left_.notifyAll();
    }

  private:
    mutable Mutex mutex_;
    ConditionVariable left_;
    const unsigned most_;
    unsigned free_ LAPWING_GUARDED_BY(mutex_);
    unsigned waiting_ LAPWING_GUARDED_BY(mutex_) = 0;
    bool closed_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::api
