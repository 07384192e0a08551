#pragma once

#include <signal.h>

#include <chrono>
#include <optional>
#include <thread>

#include "common/mutex.h"

namespace lapwing::collector {

/// Receives SIGTERM, SIGINT and SIGHUP on a thread of its own. After SIGTERM or SIGINT the program ends
/// within kLongestEnd, whatever its other threads do: the destructor ends the thread in time, or the thread
/// ends the program with kFine. Nothing is lost by that, because what the store has acknowledged survives
/// kill -9. Make it before any other thread, so that no thread gets these signals otherwise.
class Signals {
  public:
    static constexpr std::chrono::milliseconds kLongestEnd{1500};

    Signals();
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    enum class Request { reload, end };
    /// The next request, or nothing if none came until then. `end` stays.
    std::optional<Request> waitUntil(std::chrono::steady_clock::time_point time);

  private:
    void receive();

    sigset_t signals_{};
    Mutex mutex_;
    ConditionVariable changed_;
    bool reload_ LAPWING_GUARDED_BY(mutex_) = false;
    bool end_ LAPWING_GUARDED_BY(mutex_) = false;
    bool done_ LAPWING_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace lapwing::collector
