#include "agent/runner/workers.h"

#include <system_error>
#include <thread>
#include <utility>

namespace lapwing::agent {

std::shared_ptr<Workers> Workers::create(std::size_t kept, std::chrono::milliseconds linger) {
    return std::shared_ptr<Workers>(new Workers(kept, linger));
}

bool Workers::submit(Task task) {
    const MutexLock lock(mutex_);
    if (stopping_) {
        return false;
    }
    // Each queued task has an idle thread that will take it, or a new one is made for it.
    if (idle_ <= tasks_.size()) {
        try {
            std::thread([self = shared_from_this()] { self->work(); }).detach();
        } catch (const std::system_error&) {
            return false;
        }
        ++threads_;
    }
    tasks_.push_back(std::move(task));
    wake_.notifyOne();
    return true;
}

void Workers::work() {
    MutexLock lock(mutex_);
    for (;;) {
        ++idle_;
        const bool woken = wake_.waitFor(
            lock, linger_, [this]() LAPWING_REQUIRES(mutex_) { return stopping_ || !tasks_.empty(); });
        --idle_;
        if (stopping_ || (!woken && threads_ > kept_)) {
            break;
        }
        if (tasks_.empty()) {
            continue;
        }
        {
            const Task task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
        }
        lock.lock();
    }
    --threads_;
}

void Workers::stop() {
    const MutexLock lock(mutex_);
    stopping_ = true;
    tasks_.clear();
    wake_.notifyAll();
}

std::size_t Workers::threads() const {
    const MutexLock lock(mutex_);
    return threads_;
}

}  // namespace lapwing::agent
