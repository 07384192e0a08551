#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace lapwing::api {

/// Shuts down connections that have not finished what they are at by their deadline, whatever the peer does:
/// a trickle of bytes, which renews a socket's own timeout, does not help. And notices peers that have hung
/// up while they are waited upon. One thread for all servers; it looks four times a second. Thread-safe.
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

        /// From now on the socket may live for so long.
        void allow(std::chrono::milliseconds time, bool idle = false);
        /// The peer has ended its side of the connection, or the owner drains. Does not become false again.
        const std::atomic<bool>& gone() const { return gone_; }

      private:
        friend class Deadlines;
        Deadlines& deadlines_;
        std::uint64_t id_;
        std::atomic<bool> gone_{false};
    };

    /// The idle sockets of that owner end now, the others after `grace` at the latest; all count as gone.
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
    void look();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::uint64_t, Entry> entries_;
    std::uint64_t next_id_ = 1;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace lapwing::api
