#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace lapwing::api {

/// Lets so many through at once; whoever comes beyond that waits for one of them to leave. Thread-safe.
class QueryGate {
  public:
    explicit QueryGate(unsigned most) : free_(most) {}
    QueryGate(const QueryGate&) = delete;
    QueryGate& operator=(const QueryGate&) = delete;

    /// A turn, for as long as it lives; false if there was none within `patience`.
    class Turn {
      public:
        Turn(QueryGate& gate, std::chrono::milliseconds patience) : gate_(gate) {
            std::unique_lock lock(gate_.mutex_);
            got_ = gate_.left_.wait_for(lock, patience, [&] { return gate_.free_ > 0 || gate_.closed_; }) &&
                   !gate_.closed_;
            if (got_) --gate_.free_;
        }
        ~Turn() {
            if (!got_) return;
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

    /// Nobody gets in any more, nobody waits any more.
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        left_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable left_;
    unsigned free_;
    bool closed_ = false;
};

}  // namespace lapwing::api
