#include "collector/api/deadlines.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

namespace lapwing::api {

Deadlines::Deadlines() : thread_([this] { run(); }) {}

Deadlines::~Deadlines() {
    {
        const MutexLock lock(mutex_);
        stopping_ = true;
    }
    wake_.notifyAll();
    thread_.join();
}

void Deadlines::run() {
    MutexLock lock(mutex_);
    while (!stopping_) {
        if (entries_.empty()) {
            wake_.wait(lock);
            continue;
        }
        wake_.waitFor(lock, std::chrono::milliseconds(250));
        check();
    }
}

void Deadlines::check() {
    const auto now = Clock::now();
    std::vector<pollfd> sockets;
    std::vector<Watch*> watches;
    sockets.reserve(entries_.size());
    watches.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) {
        if (now >= entry.deadline) {
            ::shutdown(entry.fd, SHUT_RDWR);
        }
        sockets.push_back({entry.fd, POLLRDHUP, 0});
        watches.push_back(entry.watch);
    }
    if (::poll(sockets.data(), sockets.size(), 0) <= 0) {
        return;
    }
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (sockets[i].revents != 0) {
            watches[i]->gone_ = true;
        }
    }
}

void Deadlines::drain(const void* owner, std::chrono::milliseconds grace) {
    const MutexLock lock(mutex_);
    const auto latest = Clock::now() + grace;
    for (auto& [id, entry] : entries_) {
        if (entry.owner != owner) {
            continue;
        }
        entry.draining = true;
        entry.watch->gone_ = true;
        entry.deadline = std::min(entry.deadline, latest);
        if (entry.idle) {
            ::shutdown(entry.fd, SHUT_RDWR);
        }
    }
}

Deadlines::Watch::Watch(Deadlines& deadlines, int fd, const void* owner) : deadlines_(deadlines) {
    const MutexLock lock(deadlines_.mutex_);
    id_ = deadlines_.next_id_++;
    deadlines_.entries_[id_] = {fd, this, owner, Clock::now() + std::chrono::seconds(10), false, false};
    if (deadlines_.entries_.size() == 1) {
        deadlines_.wake_.notifyAll();
    }
}

Deadlines::Watch::~Watch() {
    const MutexLock lock(deadlines_.mutex_);
    deadlines_.entries_.erase(id_);
}

void Deadlines::Watch::allow(std::chrono::milliseconds time, bool idle) {
    const MutexLock lock(deadlines_.mutex_);
    auto& entry = deadlines_.entries_[id_];
    const auto deadline = Clock::now() + time;
    entry.deadline = entry.draining ? std::min(entry.deadline, deadline) : deadline;
    entry.idle = idle;
    if (idle && entry.draining) {
        ::shutdown(entry.fd, SHUT_RDWR);
    }
}

}  // namespace lapwing::api
