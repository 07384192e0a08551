#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace lapwing::api {

/// Lets so many through at once; whoever comes beyond that waits for one of them to leave. Thread-safe.
class QueryGate {
  public:
    explicit QueryGate(unsigned most) : most_(most), free_(most) {}
    QueryGate(const QueryGate&) = delete;
    QueryGate& operator=(const QueryGate&) = delete;

    /// A turn, for as long as it lives; false if there was none within `patience`, or before `gone` was set.
    class Turn {
      public:
        Turn(QueryGate& gate, std::chrono::milliseconds patience, const std::atomic<bool>& gone)
            : gate_(gate) {
            constexpr std::chrono::milliseconds look{200};
            const auto until = std::chrono::steady_clock::now() + patience;
            std::unique_lock lock(gate_.mutex_);
            ++gate_.waiting_;
            while (gate_.free_ == 0 && !gate_.closed_ && !gone) {
                const auto now = std::chrono::steady_clock::now();
                if (now >= until) {
                    break;
                }
                gate_.left_.wait_until(lock, std::min(until, now + look));
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
            const std::lock_guard lock(gate_.mutex_);
            ++gate_.free_;
            gate_.left_.notify_one();
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
        const std::lock_guard lock(mutex_);
        return {most_ - free_, waiting_};
    }

    /// Nobody gets in any more, nobody waits any more.
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        left_.notify_all();
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable left_;
    const unsigned most_;
    unsigned free_;
    unsigned waiting_ = 0;
    bool closed_ = false;
};

}  // namespace lapwing::api
