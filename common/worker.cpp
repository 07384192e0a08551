#include "common/worker.h"

#include <pthread.h>

#include <utility>

namespace lapwing {

namespace {

/// pthread_setname_np() refuses longer names.
constexpr std::size_t kLongestName = 15;

}  // namespace

Worker::Worker(const std::string& name, Step step)
    : name_(name.substr(0, kLongestName)), step_(std::move(step)) {}

Worker::~Worker() {
    stop();
}

void Worker::start() {
    if (thread_.joinable()) {
        return;
    }
    stopping_ = false;
    thread_ = std::thread([this] { run(); });
}

void Worker::askToStop() {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notifyAll();
}

void Worker::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Worker::stop() {
    askToStop();
    join();
}

void Worker::wake() {
    const MutexLock lock(mutex_);
    woken_ = true;
    changed_.notifyAll();
}

void Worker::run() {
    ::pthread_setname_np(::pthread_self(), name_.c_str());
    while (!stopping_) {
        {
            const MutexLock lock(mutex_);
            woken_ = false;
        }
        const auto pause = step_();
        MutexLock lock(mutex_);
        changed_.waitFor(lock, pause, [this]() LAPWING_REQUIRES(mutex_) { return woken_ || stopping_; });
    }
}

}  // namespace lapwing
