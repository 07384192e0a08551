#include "collector/command/signals.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>

#include "collector/command/command.h"

namespace lapwing::collector {

Signals::Signals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&signals_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, nullptr);
    thread_ = std::thread([this] { receive(); });
    pthread_setname_np(thread_.native_handle(), "signals");
}

Signals::~Signals() {
    {
        const MutexLock lock(mutex_);
        done_ = true;
        changed_.notifyAll();
    }
    // Ends sigwait(). Nobody waits for requests any more.
    pthread_kill(thread_.native_handle(), SIGHUP);
    thread_.join();
}

void Signals::receive() {
    int signal = 0;
    while (sigwait(&signals_, &signal) == 0) {
        MutexLock lock(mutex_);
        if (done_) {
            return;
        }
        (signal == SIGHUP ? reload_ : end_) = true;
        changed_.notifyAll();
        if (!end_) {
            continue;
        }
        if (!changed_.waitFor(lock, kLongestEnd, [this]() LAPWING_REQUIRES(mutex_) { return done_; })) {
            spdlog::warn("the work under way did not end within {} ms: it is given up", kLongestEnd.count());
            ::_exit(kFine);
        }
        return;
    }
}

std::optional<Signals::Request> Signals::waitUntil(std::chrono::steady_clock::time_point time) {
    MutexLock lock(mutex_);
    changed_.waitUntil(lock, time, [this]() LAPWING_REQUIRES(mutex_) { return reload_ || end_; });
    if (end_) {
        return Request::end;
    }
    return std::exchange(reload_, false) ? std::optional(Request::reload) : std::nullopt;
}

}  // namespace lapwing::collector
