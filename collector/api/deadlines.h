#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "common/mutex.h"

namespace lapwing::api {

/// Shuts down connections that have not finished their exchange by its deadline, whatever the peer does: a
/// trickle of bytes renews a socket's own timeout, but not this deadline. Also notices peers that hang up
/// while their answer is computed. One thread checks the connections of all servers four times a second.
/// Thread-safe.
class Deadlines {
  public:
    Deadlines();
    ~Deadlines();
    Deadlines(const Deadlines&) = delete;
    Deadlines& operator=(const Deadlines&) = delete;

    /// One watched socket. Must be destroyed before the socket is closed.
    class Watch {
      public:
        Watch(Deadlines& deadlines, int fd, const void* owner);
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

        /// From now on, the socket may live this long.
        void allow(std::chrono::milliseconds time, bool idle = false);
        /// True once the peer has ended its side of the connection or the owner drains. Never becomes false
        /// again.
        const std::atomic<bool>& gone() const { return gone_; }

      private:
        friend class Deadlines;
        Deadlines& deadlines_;
        std::uint64_t id_;
        std::atomic<bool> gone_{false};
    };

    /// Ends the owner's idle sockets now and its others after `grace` at the latest; all of them count as
    /// gone.
    void drain(const void* owner, std::chrono::milliseconds grace);

  private:
    using Clock = std::chrono::steady_clock;
    struct Entry {
        int fd = -1;
        Watch* watch = nullptr;
        const void* owner = nullptr;
        Clock::time_point deadline;
        bool idle = false;
        bool draining = false;
    };

    void run();
    void check() LAPWING_REQUIRES(mutex_);

    Mutex mutex_;
    ConditionVariable wake_;
    std::map<std::uint64_t, Entry> entries_ LAPWING_GUARDED_BY(mutex_);
    std::uint64_t next_id_ LAPWING_GUARDED_BY(mutex_) = 1;
    bool stopping_ LAPWING_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace lapwing::api
